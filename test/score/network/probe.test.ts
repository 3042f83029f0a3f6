import test from 'ava';
import { ModelError } from '../../../src/errors.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { fixture } from '../../support/gaussian-image.js';

const vp = 'models/mnist-vp.onnx';
const ve = 'models/mnist-ve.onnx';
const veScore = (options: LoadOptions): LoadOptions => ({ sde: 've', parameterization: 'score', ...options });

/** Files read wrongly, and what the error must say. */
const refused: [file: string, options: LoadOptions, message: RegExp][] = [
  [vp, { parameterization: 'score' }, /parameterization looks wrong.*Give --parameterization eps\./],
  [vp, { parameterization: 'v' }, /Give --parameterization eps\./],
  [vp, { parameterization: 'x0' }, /Give --parameterization eps\./],
  [vp, { parameterization: 'edm' }, /Give --parameterization eps\./],
  [ve, { parameterization: 'eps' }, /Give --parameterization score\./],
  [ve, { parameterization: 'v' }, /Give --parameterization score\./],
  [ve, { parameterization: 'x0' }, /Give --parameterization score\./],
  [ve, { parameterization: 'edm' }, /Give --parameterization score\./],
  [vp, { labels: 't' }, /labels look wrong.*Give --labels 't\*999'\./],
  [vp, { labels: 'sigma' }, /Give --labels 't\*999'\./],
  [vp, { labels: 'c-noise' }, /Give --labels 't\*999'\./],
  [ve, { labels: 't' }, /Give --labels 'sigma'\./],
  [ve, { labels: 't*999' }, /Give --labels 'sigma'\./],
  [ve, { labels: 'log-sigma' }, /Give --labels 'sigma'\./],
  [vp, { labels: 't', parameterization: 'score' }, /Give --labels 't\*999' --parameterization eps\./],
  [vp, { dataRange: [0, 1] }, /data range looks wrong.*mean of its data for -0/],
  [ve, { dataRange: [0, 255] }, /data range looks wrong/],
  [vp, { sde: 've' }, /process looks wrong.*Give --sde vp/],

  [fixture('vp-eps'), { parameterization: 'score' }, /Give --parameterization eps\./],
  [fixture('vp-eps'), { parameterization: 'v' }, /Give --parameterization eps\./],
  [fixture('vp-eps'), { parameterization: 'x0' }, /Give --parameterization eps\./],
  [fixture('vp-eps'), { labels: 't' }, /Give --labels 't\*999'\./],
  [fixture('vp-v'), { parameterization: 'eps' }, /Give --parameterization v\./],
  [fixture('vp-v'), { parameterization: 'x0' }, /Give --parameterization v\./],
  [fixture('vp-v'), { labels: 't' }, /Give --labels 't\*999'\./],
  [fixture('vp-x0'), { parameterization: 'eps' }, /Give --parameterization x0\./],
  [fixture('vp-x0'), { labels: 't' }, /Give --labels 't\*999'\./],
  [fixture('vp-flipped'), {}, /sign is flipped.*opposite of eps\b.*export/],
  [fixture('vp-class'), { parameterization: 'score' }, /Give --parameterization eps\./],
  [
    fixture('ddpm'),
    { sde: 'vp', parameterization: 'eps', labels: 'reversed-index' },
    /Give --labels 'index'\./,
  ],
  [fixture('ddpm'), { sde: 'vp', parameterization: 'score' }, /Give --parameterization eps\./],
  [fixture('smld'), { labels: 'index' }, /Give --labels 'reversed-index'\./],
  [fixture('smld'), { parameterization: 'eps' }, /Give --parameterization score\./],
  [fixture('ve-score'), veScore({ labels: 't*999' }), /Give --labels 'sigma'\./],
  [fixture('ve-score'), veScore({ labels: 'log-sigma' }), /Give --labels 'sigma'\./],
  [fixture('edm'), { parameterization: 'x0', labels: 'c-noise' }, /Give --parameterization edm\./],
  [fixture('edm'), { parameterization: 'eps' }, /Give --labels 'c-noise' --parameterization edm\./],
  [fixture('edm'), { labels: 'sigma' }, /Give --labels 'c-noise'\./],
];

for (const [file, options, message] of refused) {
  test(`refuses ${file.replace(/^.*\//, '')} with ${JSON.stringify(options)}`, async (t) => {
    const error = await t.throwsAsync(() => loadModel(file, options), { instanceOf: ModelError });
    t.regex(error.message, message);
    await (await loadModel(file, { ...options, probe: false })).close();
  });
}

/** Files read wrongly in a way that the probe can only doubt. */
const doubted: [file: string, options: LoadOptions, message: RegExp][] = [
  [ve, { dataRange: [-1, 1] }, /data range may be wrong.*give --data-range, such as 0,1/],
  [fixture('vp-x0'), { parameterization: 'v' }, /Give --parameterization x0,/],
  [vp, { labels: 'index', ladder: 'cosine' }, /contradicts itself by.*Give --ladder linear,/],
];

for (const [file, options, message] of doubted) {
  test(`doubts ${file.replace(/^.*\//, '')} with ${JSON.stringify(options)}`, async (t) => {
    const model = await loadModel(file, options);
    t.is(model.warnings.length, 1);
    t.regex(model.warnings[0]!, message);
    t.false(model.report!.ok);
    await model.close();
  });
}

test('digits rightly read on a ladder, and by flags instead of metadata, are not doubted', async (t) => {
  for (const options of [{ labels: 'index', ladder: 'linear' }, { sde: 'vp' }] as LoadOptions[]) {
    const model = await loadModel(vp, options);
    t.deepEqual(model.report!.findings, []);
    await model.close();
  }
});
