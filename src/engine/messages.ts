import type { Parameterization } from '../score/model.js';
import type { Sde } from '../sde/sde.js';
import type { Preview } from '../sampling/sample.js';
import type { Failure } from '../failure.js';
import type { PlainSource } from './source.js';

/** What the thread of an engine finds when it starts. */
export interface ThreadData extends PlainSource {
  /** One cell, not 0 while the request under way has to stop. */
  readonly stop: Int32Array;
}

/** What a loaded model says of itself. */
export interface ModelFacts {
  readonly shape: readonly number[];
  readonly parameterization: Parameterization;
  readonly classes?: number;
  readonly sde: Pick<Sde, 'name' | 'constants' | 'dataRange'>;
  readonly warnings: readonly string[];
}

/** A call of one of the functions that an engine can run. */
export interface Task {
  readonly method: 'sample' | 'likelihood' | 'encode' | 'decode' | 'interpolate';
  /** The arguments between the model and the options, as `plain` gives them. */
  readonly data: unknown;
  readonly options: unknown;
  /** Whether to send progress and previews. */
  readonly progress: boolean;
  readonly previews: boolean;
}

/** To a thread: a request, one at a time; that a message of its has been dealt with; that no request will follow. */
export type Order =
  | { readonly type: 'run'; readonly task: Task }
  | { readonly type: 'taken'; readonly what: 'progress' | 'preview' }
  | { readonly type: 'close' };

/** From a thread; its first result is the facts of its model. */
export type Report =
  | { readonly type: 'progress'; readonly progress: unknown }
  | { readonly type: 'preview'; readonly preview: Preview }
  | { readonly type: 'result'; readonly result: unknown }
  | { readonly type: 'failed'; readonly failure: Failure };
