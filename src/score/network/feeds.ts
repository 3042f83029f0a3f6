import type { ElementKind } from '../../device/device.js';
import { ModelError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { Tensor } from '../../onnx/run/runtime.js';
import { fromFloat16, toFloat16 } from '../../io/float16.js';

/** A buffer for a network's input or output; float32 data pass through without a copy. */
export interface Port {
  /** The tensor to feed or fetch for `values`, [rows, ...shape]. */
  open(values: Float32Array, rows: number): Tensor;
  /** After the run: what the tensor holds, back into `values`. */
  close(values: Float32Array): void;
}

/** A port of the state or the output. */
export function statePort({ name, type }: TensorInfo, shape: readonly number[]): Port {
  if (type === 'float32') {
    return {
      open: (data, rows) => ({ data, dims: [rows, ...shape] }),
      close: () => undefined,
    };
  }
  if (type === 'float64') {
    let data = new Float64Array(0);
    return {
      open(values, rows) {
        data = Float64Array.from(values);
        return { data, dims: [rows, ...shape] };
      },
      close: (values) => {
        values.set(data);
      },
    };
  }
  if (type !== 'float16') {
    const why = type === 'bfloat16' ? ', which ONNX Runtime does not compute on a CPU' : '';
    throw new ModelError(
      `Its tensor "${name}" is ${type}${why}; fastsde takes float32, float64 and float16. Export it in float32.`,
    );
  }
  let data = new Uint16Array(0);
  return {
    open(values, rows) {
      if (data.length !== values.length) data = new Uint16Array(values.length);
      toFloat16(values, data);
      return { data, dims: [rows, ...shape] };
    },
    close: (values) => {
      fromFloat16(data, values);
    },
  };
}

/** What the state and the like are on a device. */
export function stateKind({ type }: TensorInfo): ElementKind {
  return type === 'float16' ? 'half' : type === 'float64' ? 'double' : 'single';
}

/** Whether the time input holds one number for the whole batch. */
export function isShared({ shape }: TensorInfo, batch: number | undefined): boolean {
  return shape?.length === 0 || (shape?.[0] === 1 && batch !== 1);
}

/** The tensor of a time input: one label per row, or the first for all. */
export function timeTensor(info: TensorInfo, labels: Float64Array, shared: boolean): Tensor {
  const values = shared ? labels.subarray(0, 1) : labels;
  const rank = info.shape?.length ?? 1;
  const dims = rank === 0 ? [] : [values.length, ...Array<number>(rank - 1).fill(1)];
  return { data: cast(info, values), dims };
}

/** The tensor of a class input: a number per row, or a one-hot row where the input is a matrix. */
export function classTensor(info: TensorInfo, labels: Int32Array, classes: number): Tensor {
  const rank = info.shape?.length ?? 1;
  if (rank === 2 && info.shape![1] !== 1) {
    const rows = new Float64Array(labels.length * classes);
    labels.forEach((label, i) => (rows[i * classes + label] = 1));
    return { data: cast(info, rows), dims: [labels.length, classes] };
  }
  return {
    data: cast(info, Float64Array.from(labels)),
    dims: [labels.length, ...Array<number>(rank - 1).fill(1)],
  };
}

function cast({ name, type }: TensorInfo, values: Float64Array): Tensor['data'] {
  switch (type) {
    case 'float32':
      return new Float32Array(values);
    case 'float64':
      return values;
    case 'float16': {
      const halves = new Uint16Array(values.length);
      toFloat16(new Float32Array(values), halves);
      return halves;
    }
    case 'int64':
      return BigInt64Array.from(values, (value) => BigInt(value));
    case 'int32':
      return Int32Array.from(values);
    default:
      throw new ModelError(
        `Its input "${name}" is ${type}; fastsde feeds labels as float32, float64, float16, int32 or int64.`,
      );
  }
}
