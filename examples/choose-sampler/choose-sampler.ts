// Finds the sampler that needs the fewest evaluations to be as close to the model's ODE as is asked for.
//
//   node --experimental-strip-types examples/choose-sampler/choose-sampler.ts model.onnx 0.05     (Node 22)
import { embeddedModel, loadModel } from 'fastsde';
import { compare } from 'fastsde/evaluation';

const [path = embeddedModel('vp'), distance = '0.05', count = '64'] = process.argv.slice(2);

const model = await loadModel(path);
const comparing = compare(model, {
  samplers: ['unipc', 'unipc:grid=karras', 'dpmpp-2m', 'deis', 'edm-heun'],
  evaluations: [5, 7, 10, 15, 20, 30],
  count: Number(count),
  // Point by point: it tells samplers without noise apart with few samples.
  distances: ['ode-rms'],
});
for await (const { kind, name, evaluations } of comparing)
  if (kind === 'sampler') process.stderr.write(`${name}: ${evaluations} evaluations\n`);
const { rows } = await comparing;
await model.close();

const close = rows.filter(({ distances }) => distances['ode-rms']!.value <= Number(distance));
const [best] = close.sort((a, b) => a.evaluations! - b.evaluations! || a.seconds! - b.seconds!);
console.log(
  best
    ? `${best.name} at ${best.evaluations} evaluations`
    : `none is as close as ${distance}; allow more evaluations`,
);
