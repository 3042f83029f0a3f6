// The thread of an engine: loads its model, then runs one request after the other, as a program without engines would.
import { parentPort, workerData } from 'node:worker_threads';
import type { ScoreModel } from '../score/model.js';
import { OnnxScoreModel } from '../score/network/model.js';
import { decode, encode, interpolate } from '../likelihood/latent.js';
import { likelihood } from '../likelihood/likelihood.js';
import { sample, type Preview } from '../sampling/sample.js';
import { failureOf } from '../failure.js';
import type { ModelFacts, Order, Report, Task, ThreadData } from './messages.js';
import { buffersOf, restored } from './plain.js';
import { openSource } from './source.js';
import { Window } from './window.js';

type Workflow = (model: ScoreModel, ...rest: unknown[]) => PromiseLike<unknown>;

const workflows = { sample, likelihood, encode, decode, interpolate } as Record<Task['method'], Workflow>;

/** Previews that may be on their way at once; each is a copy of a batch. */
const PREVIEWS = 2;

const port = parentPort!;
const data = workerData as ThreadData;
const opening = openSource(data);
let windows: { readonly progress: Window<unknown>; readonly preview: Window<Preview> };

opening.then(
  (model) => {
    send({ type: 'result', result: factsOf(model) });
  },
  (error: unknown) => {
    send({ type: 'failed', failure: failureOf(error) });
    port.close();
  },
);

port.on('message', (order: Order) => {
  switch (order.type) {
    case 'run':
      void answer(order.task);
      break;
    case 'taken':
      windows[order.what].taken();
      break;
    case 'close':
      void close();
      break;
  }
});

async function answer(task: Task): Promise<void> {
  try {
    const result = await perform(await opening, task);
    windows.progress.flush();
    windows.preview.flush();
    send({ type: 'result', result });
  } catch (error) {
    send({ type: 'failed', failure: failureOf(error) });
  }
}

async function perform(model: ScoreModel, { method, data, options, ...wanted }: Task): Promise<unknown> {
  windows = {
    progress: new Window(1, (progress) => {
      send({ type: 'progress', progress });
    }),
    preview: new Window(PREVIEWS, (preview) => {
      send({ type: 'preview', preview });
    }),
  };
  const { progress, preview } = windows;
  const running = workflows[method](model, ...(data as unknown[]), {
    ...(restored(options) as object),
    signal: stopSignal(),
    ...(wanted.progress && { onProgress: progress.offer.bind(progress) }),
  });
  if (wanted.previews)
    for await (const shown of running as unknown as AsyncIterable<Preview>) preview.offer(shown);
  return running;
}

/** A signal that the other side aborts through a shared cell, so that no message has to be waited for between two steps. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  signal.throwIfAborted = () => {
    if (Atomics.load(data.stop, 0) !== 0) controller.abort();
    AbortSignal.prototype.throwIfAborted.call(signal);
  };
  return signal;
}

async function close(): Promise<void> {
  await (await opening).close();
  port.close();
}

function factsOf(model: ScoreModel): ModelFacts {
  const { shape, parameterization, classes, sde } = model;
  return {
    shape,
    parameterization,
    ...(classes !== undefined && { classes }),
    sde: { name: sde.name, constants: sde.constants, dataRange: sde.dataRange },
    warnings: model instanceof OnnxScoreModel ? model.warnings : [],
  };
}

function send(report: Report): void {
  port.postMessage(report, buffersOf(report));
}
