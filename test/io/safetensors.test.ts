import fc from 'fast-check';
import test from 'ava';

import { DataError } from '../../src/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/safetensors.js';

/** A file as another program writes it: header, then the bytes of the tensors. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

test('a file of the documented layout is read, at any alignment', (t) => {
  const data = new Uint8Array(Float32Array.of(1, -2.5, 3, 0.5, 7).buffer);
  const header = {
    __metadata__: { format: 'pt' },
    bias: { dtype: 'F32', shape: [], data_offsets: [16, 20] },
    weight: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  };
  for (const spaces of [0, 1, 2, 3]) {
    const { tensors, metadata } = decodeSafetensors(file(JSON.stringify(header) + ' '.repeat(spaces), data));
    t.deepEqual(metadata, { format: 'pt' });
    t.deepEqual(tensors.get('weight'), { shape: [2, 2], data: Float32Array.of(1, -2.5, 3, 0.5) });
    t.deepEqual(tensors.get('bias'), { shape: [], data: Float32Array.of(7) });
  }
});

test('a file that is written has the documented layout', (t) => {
  const bytes = Buffer.concat(
    encodeSafetensors({
      tensors: new Map([
        ['a', { shape: [3], data: Float32Array.of(1, 2, 3) }],
        ['b', { shape: [1, 2], data: Float32Array.of(4, 5) }],
      ]),
      metadata: { step: '12' },
    }),
  );
  const length = Number(bytes.readBigUInt64LE());
  t.is(length % 8, 0);
  t.deepEqual(JSON.parse(bytes.toString('utf8', 8, 8 + length)), {
    __metadata__: { step: '12' },
    a: { dtype: 'F32', shape: [3], data_offsets: [0, 12] },
    b: { dtype: 'F32', shape: [1, 2], data_offsets: [12, 20] },
  });
  t.deepEqual(bytes.subarray(8 + length), Buffer.from(Float32Array.of(1, 2, 3, 4, 5).buffer));
});

test('what is written is read again', (t) => {
  const tensor = fc
    .array(fc.float(), { maxLength: 9 })
    .map((values) => ({ shape: [values.length], data: Float32Array.from(values) }));
  const contents = fc.dictionary(
    fc.string({ minLength: 1 }).filter((name) => !/^__/.test(name)),
    tensor,
  );
  fc.assert(
    fc.property(contents, fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
      const written = { tensors: new Map(Object.entries(tensors)), metadata };
      const read = decodeSafetensors(Buffer.concat(encodeSafetensors(written)));
      t.deepEqual([...read.tensors], [...written.tensors]);
      t.deepEqual(Object.entries(read.metadata), Object.entries(metadata));
    }),
    { numRuns: 50, seed: 1 },
  );
});

test('a damaged file is refused, and nothing else happens', (t) => {
  const four = new Uint8Array(4);
  const entry = (fields: object): unknown => ({
    a: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...fields },
  });
  const cases: readonly [string, Uint8Array][] = [
    ['too short', new Uint8Array(7)],
    ['header beyond the end', file({}).fill(255, 0, 8)],
    ['no JSON', file('{')],
    ['not UTF-8', Buffer.concat([file('{"a'), Buffer.of(0xff)]).fill(4, 0, 1)],
    ['a list', file([])],
    ['metadata of other types', file({ __metadata__: { step: 1 } })],
    ['an entry that is none', file({ a: 1 })],
    ['another type', file(entry({ dtype: 'BF16' }), four)],
    ['a negative size', file(entry({ shape: [-1] }), four)],
    ['a fractional size', file(entry({ shape: [0.5] }), four)],
    ['a place beyond the end', file(entry({}), four.subarray(1))],
    ['a place before the start', file(entry({ data_offsets: [-4, 0] }), four)],
    ['a place of another size', file(entry({ shape: [2] }), new Uint8Array(8))],
    ['a size beyond all numbers', file(entry({ shape: [2 ** 52, 2 ** 52] }), four)],
    ['one end only', file(entry({ data_offsets: [4] }), four)],
  ];
  for (const [name, bytes] of cases)
    t.throws(() => decodeSafetensors(bytes), { instanceOf: DataError }, name);
});

test('any bytes are read or refused with a DataError', (t) => {
  const good = Buffer.concat(
    encodeSafetensors({
      tensors: new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }]]),
      metadata: {},
    }),
  );
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (place, value, length) => {
      const bytes = Buffer.from(good.subarray(0, length));
      if (place < length) bytes[place] = value;
      try {
        decodeSafetensors(bytes);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
  t.pass();
});
