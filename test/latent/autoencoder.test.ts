import test from 'ava';
import { ModelError, OptionError } from '../../src/errors.js';
import { loadDecoder, loadEncoder } from '../../src/latent/autoencoder.js';
import { modelBytes, withMetadata } from '../../src/onnx/file/model.js';
import { decoderNetwork, encoderNetwork } from '../support/latent-networks.js';

/** Two channels of a latent to three of a picture. */
const weights = [
  [1, 0, 2],
  [0, -1, 1],
];
const latents = Float32Array.from({ length: 3 * 2 * 2 * 3 }, (_, i) => Math.sin(i + 1));
const shape = [3, 2, 2, 3];

/** Pixel (y, x) of channel k of picture n: the sum over the channels of the latent, unscaled. */
function pixel(n: number, k: number, y: number, x: number, scale: number, shift: number): number {
  const at = (c: number) => latents[((n * 2 + c) * 2 + Math.floor(y / 2)) * 3 + Math.floor(x / 2)]!;
  return [0, 1].reduce((sum, c) => sum + weights[c]![k]! * (at(c) / scale + shift), 0);
}

for (const [words, sizes, batch] of [
  ['of open sizes', undefined, undefined],
  ['one picture at a time', undefined, 1],
  ['of a fixed batch', [2, 2, 2, 3], undefined],
] as const) {
  test(`a decoder takes latents back by their scale and shift: ${words}`, async (t) => {
    const source = modelBytes(decoderNetwork(weights, sizes));
    const decoder = await loadDecoder(source, { latentScale: 0.5, latentShift: 0.25, batch });
    t.deepEqual(await decoder.pictureShape([2, 2, 3]), [3, 4, 6]);
    const pictures = await decoder.decode(latents, shape);
    t.deepEqual(pictures.shape, [3, 3, 4, 6]);
    t.deepEqual(pictures.range, [-1, 1]);
    for (let i = 0; i < pictures.samples.length; i++) {
      const [n, k, y, x] = [
        Math.floor(i / 72),
        Math.floor(i / 24) % 3,
        Math.floor(i / 6) % 4,
        i % 6,
      ] as const;
      t.true(Math.abs(pictures.samples[i]! - pixel(n, k, y, x, 0.5, 0.25)) < 1e-5, `${i}`);
    }
    await decoder.close();
  });
}

test('the scale stands in the file, and an option overrides it', async (t) => {
  const file = withMetadata(decoderNetwork(weights), {
    'fastsde.latent_scale': '2',
    'fastsde.latent_shift': '-1',
  });
  const own = await loadDecoder(modelBytes(file));
  t.deepEqual([own.latentScale, own.latentShift], [2, -1]);
  const given = await loadDecoder(modelBytes(file), { latentScale: 3, latentShift: 0 });
  t.deepEqual([given.latentScale, given.latentShift], [3, 0]);
  await Promise.all([own.close(), given.close()]);
});

test('an encoder makes latents of the means, and of bytes as of floats', async (t) => {
  // Sums over 2 x 2 pixels; the second half of the channels would be log-variances.
  const source = modelBytes(encoderNetwork([[1], [2], [7], [7]].map((row) => [...row, 0, 0])));
  const encoder = await loadEncoder(source, { latentScale: 0.5, latentShift: 1 });
  t.deepEqual(await encoder.pictureShape([2, 5, 7]), [3, 10, 14]);
  await t.throwsAsync(encoder.pictureShape([3, 5, 7]), {
    instanceOf: OptionError,
    message: /encoder must be one of latents \[3, 5, 7\]: it makes \[2, 32, 32\] of a picture \[3, 64, 64\]/,
  });
  const bytes = Uint8Array.from({ length: 3 * 2 * 4 }, (_, i) => (i < 8 ? 51 * (i % 6) : 0));
  const floats = Float32Array.from(bytes, (byte) => (2 * byte) / 255 - 1);
  const { samples, shape: made } = await encoder.encode(bytes, [1, 3, 2, 4]);
  t.deepEqual(made, [1, 2, 1, 2]);
  const sums = [0, 2].map((x) => floats[x]! + floats[x + 1]! + floats[4 + x]! + floats[5 + x]!);
  const expected = [...sums.map((sum) => (sum - 1) * 0.5), ...sums.map((sum) => (2 * sum - 1) * 0.5)];
  samples.forEach((value, i) => t.true(Math.abs(value - expected[i]!) < 1e-6));
  const { samples: again } = await encoder.encode(floats, [1, 3, 2, 4]);
  again.forEach((value, i) => t.true(Math.abs(value - expected[i]!) < 1e-6));
  await encoder.close();
});

test('what does not fit is named', async (t) => {
  const decoder = await loadDecoder(modelBytes(decoderNetwork(weights)), { latentScale: 1 });
  const refused = async (call: () => Promise<unknown>, message: RegExp) =>
    t.throwsAsync(call, { instanceOf: OptionError, message });
  await refused(
    () => decoder.pictureShape([4, 2, 3]),
    /decoder must be one for latents of shape \[4, 2, 3\].*\[N, 2, h, w\]/,
  );
  await refused(() => decoder.pictureShape([2]), /decoder must be one for latents of shape \[2\]/);
  await refused(
    () => decoder.decode(latents, [3, 4, 3, 1]),
    /decoder must be one for latents of shape \[4, 3, 1\]/,
  );
  await refused(
    () => decoder.decode(latents, [2, 2, 2, 3]),
    /latents must be a Float32Array of \[2, 2, 2, 3\], 24 elements/,
  );
  await refused(() => decoder.decode(latents, [3, 12] as never), /shape must be/);
  const two = await loadDecoder(
    modelBytes(
      decoderNetwork([
        [1, 1],
        [1, 1],
      ]),
    ),
    { latentScale: 1 },
  );
  await refused(
    () => two.pictureShape([2, 2, 3]),
    /decoder must be one that makes pictures.*\[2, 4, 6\] of a latent \[2, 2, 3\]/,
  );
  await refused(
    () => loadDecoder(modelBytes(decoderNetwork(weights)), { latentScale: 0 }),
    /latentScale must be/,
  );
  await refused(
    () => loadDecoder(modelBytes(decoderNetwork(weights)), { latentScale: 1, latentShift: NaN }),
    /latentShift/,
  );
  await refused(
    () => loadDecoder(modelBytes(decoderNetwork(weights)), { scale: 1 } as never),
    /scale must be absent/,
  );
  await refused(() => loadDecoder(7 as never), /decoder must be the path/);
  const plain = () => loadDecoder(modelBytes(decoderNetwork(weights)));
  await t.throwsAsync(plain, { instanceOf: ModelError, message: /Give latentScale \(--latent-scale\)/ });
  const encoder = await loadEncoder(modelBytes(encoderNetwork([[1], [1], [1]])), {
    latentScale: 1,
    channels: 2,
  });
  await refused(
    () => encoder.encode(new Float32Array(4), [1, 1, 2, 2]),
    /latents of 2 channels, or of 4.*it makes 3/,
  );
  await refused(
    () => encoder.encode(new Float32Array(12), [1, 3, 2, 2]),
    /encoder must be one for pictures of shape \[3, 2, 2\]/,
  );
  await Promise.all([decoder, two, encoder].map((opened) => opened.close()));
});

test('pictures that are not finite are an error', async (t) => {
  const decoder = await loadDecoder(modelBytes(decoderNetwork([[3e38, 1, 1]])), { latentScale: 1 });
  const decode = () => decoder.decode(Float32Array.of(2), [1, 1, 1, 1]);
  await t.throwsAsync(decode, { instanceOf: ModelError, message: /"sample" has values that are not finite/ });
  await decoder.close();
});
