import type { TensorInfo } from '../../onnx/file/model.js';
import type { Session, Tensor } from '../../onnx/run/runtime.js';
import { ModelError } from '../../errors.js';
import { elementCount } from '../../shape.js';
import type { ModelDescription } from './description.js';
import { classTensor, isShared, timeTensor } from './feeds.js';
import { inputTensor, type InputValue } from './input-values.js';
import type { Roles } from './roles.js';

/** A network that is tried on zeros, for what its file does not say. */
export interface Tried {
  readonly session: Session;
  readonly roles: Roles;
  readonly description: Pick<ModelDescription, 'shape' | 'classes'>;
  readonly values: readonly InputValue[];
}

/** The shape of the output of so many rows; undefined where the network takes no such. */
export async function triedOutput(tried: Tried, rows: number): Promise<readonly number[] | undefined> {
  const { session, roles } = tried;
  try {
    const { [roles.output.name]: output } = await session.run(zeros(tried, rows), [roles.output.name]);
    return output?.dims;
  } catch (cause) {
    if (cause instanceof ModelError) return undefined;
    throw cause;
  }
}

/** Numbers of rows that exporters bake in. */
const BATCHES = [1, 2, 3, 4, 8, 16, 32, 64];

/** The only number of rows that a network takes, where its file does not say it: as where a shape inside is fixed. */
export async function bakedBatch(tried: Tried): Promise<number | undefined> {
  const taken: number[] = [];
  for (const rows of BATCHES) if ((await triedOutput(tried, rows))?.[0] === rows) taken.push(rows);
  return taken.length === 1 ? taken[0] : undefined;
}

function zeros({ roles, description, values }: Tried, rows: number): Record<string, Tensor> {
  const { state, time, selfCondition, inputs } = roles;
  const dims = [rows, ...description.shape];
  const feeds: Record<string, Tensor> = {
    [state.name]: zeroTensor(state, dims),
    [time.name]: timeTensor(time, new Float64Array(rows), isShared(time, rows)),
  };
  if (roles.class)
    feeds[roles.class.name] = classTensor(roles.class, new Int32Array(rows), description.classes!);
  if (selfCondition) feeds[selfCondition.name] = zeroTensor(selfCondition, dims);
  for (const info of inputs) {
    const value = values.find(({ name }) => name === info.name);
    feeds[info.name] = value
      ? inputTensor(value, rows, new Int32Array(rows))
      : zeroTensor(
          info,
          (info.shape ?? []).map((size, i) => (typeof size === 'number' ? size : i === 0 ? rows : 1)),
        );
  }
  return feeds;
}

function zeroTensor({ type }: TensorInfo, dims: readonly number[]): Tensor {
  const count = elementCount(dims);
  const arrays: Readonly<Record<string, () => Tensor['data']>> = {
    float64: () => new Float64Array(count),
    float16: () => new Uint16Array(count),
    int64: () => new BigInt64Array(count),
    int32: () => new Int32Array(count),
    bool: () => new Uint8Array(count),
  };
  return { data: (arrays[type] ?? (() => new Float32Array(count)))(), dims };
}
