import type { Dataset } from '../data/dataset.js';
import type { Failure } from '../failure.js';
import type { Memory, TrainingState } from './memory.js';
import type { ObjectiveOptions, ResolvedSettings } from './options.js';
import type { StepReport } from './recorder.js';

/** What a worker is started with. */
export interface TrainingJob {
  /** Number of this worker. */
  readonly worker: number;
  /** Bytes of the model, and the folder of its external data. */
  readonly model: Uint8Array;
  readonly folder?: string;
  /** Bytes of a training graph made elsewhere. */
  readonly graph?: Uint8Array;
  /** Names of the trained tensors, in the order in which they lie in memory. */
  readonly parameters: readonly string[];
  readonly objective: ObjectiveOptions;
  readonly settings: ResolvedSettings;
  readonly data: Dataset;
  readonly validation?: Dataset;
  /** Ends of the buckets of times, ascending. */
  readonly edges: Float64Array;
  readonly memory: Memory;
  /** Steps made before. */
  readonly made: number;
  readonly checkpointEvery: number;
  /** Steps between two reports; 0 for one every half second. */
  readonly reportEvery: number;
  /** Steps between two reports with the state; 0 for none. */
  readonly modelEvery: number;
}

/** What a worker tells the main thread; reports and states come from the first one. */
export type WorkerMessage =
  | { readonly kind: 'done' }
  | { readonly kind: 'report'; readonly report: StepReport; readonly state?: TrainingState | undefined }
  | {
      readonly kind: 'checkpoint';
      readonly step: number;
      readonly state: TrainingState;
      readonly validation?: number;
    }
  | { readonly kind: 'state'; readonly step: number; readonly state: TrainingState }
  | { readonly kind: 'not-finite'; readonly step: number; readonly loss: number; readonly times: number[] }
  | { readonly kind: 'failed'; readonly step: number; readonly failure: Failure };
