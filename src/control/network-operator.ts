import { vjp } from '../autodiff/vjp.js';
import { ModelError, OptionError } from '../errors.js';
import { modelBytes, readWholeModel, type Model, type TensorInfo } from '../onnx/file/model.js';
import { createSession, type Session, type Tensor } from '../onnx/run/runtime.js';
import { checkKnown } from '../options.js';
import { nameSource } from '../score/network/network.js';
import { elementCount } from '../shape.js';
import { modelSource, type ModelFile } from '../io/path.js';
import { closable, type Closable } from '../closing.js';
import { checkShape, type DifferentiableOperator } from './operator.js';

/** How a measuring network is read and run. */
export interface OperatorLoadOptions {
  /** Shape of a sample, where the file leaves it open. */
  readonly shape?: readonly number[] | undefined;
  /** Shape of a measurement, where the file leaves it open. */
  readonly measuredShape?: readonly number[] | undefined;
  /** Threads of the network. Default: one per core. */
  readonly threads?: number | undefined;
}

const COTANGENT = 'measurement.cotangent';

/**
 * Loads a measurement A(x) from an ONNX file or the bytes of one: a network with one input [N, ...shape], in the model's own space, and a
 * first output [N, ...measuredShape], whose rows do not depend on each other. It need not be linear; it is differentiated by our own rules.
 *
 * @throws ModelError for a file that cannot be read, has more inputs, or operators without a derivative.
 */
export async function loadOperator(
  given: ModelFile,
  options: OperatorLoadOptions = {},
): Promise<DifferentiableOperator & Closable> {
  const source = modelSource('operator', given);
  checkKnown(options, ['shape', 'measuredShape', 'threads']);
  const name = typeof source === 'string' ? source : 'the operator';
  try {
    return await open(name, await readWholeModel(source), options);
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

async function open(
  name: string,
  file: Model,
  options: OperatorLoadOptions,
): Promise<DifferentiableOperator & Closable> {
  const [input, ...more] = file.inputs;
  const [output] = file.outputs;
  if (!input || !output || more.length > 0)
    throw new ModelError(
      `An operator has one input, a sample, and an output, what is measured of it; this network has the inputs ${file.inputs
        .map((each) => `"${each.name}"`)
        .join(', ')}.`,
      { option: 'operator' },
    );
  const shape = sizesOf('shape', input, options.shape);
  const derived = await vjp(file, { of: output.name, wrt: input.name, cotangent: COTANGENT });
  // What the file leaves open of its output may follow from its nodes.
  const inferred = derived.inputs.find((each) => each.name === COTANGENT)?.shape;
  const measuredShape = sizesOf(
    'measuredShape',
    { ...output, ...(inferred && { shape: inferred }) },
    options.measuredShape,
  );
  const [d, m] = [elementCount(shape), elementCount(measuredShape)];
  const { folder } = file;
  const given = {
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(folder !== undefined && { folder }),
  };
  const session = await createSession(modelBytes(file), given);
  const derivative = await createSession(modelBytes(derived), given);
  const fixed = input.shape?.[0];
  const run = async (
    use: Session,
    target: string,
    length: number,
    inputs: Feeding[],
    signal?: AbortSignal,
  ) => {
    const rows = inputs[0]!.values.length / d;
    const most = typeof fixed === 'number' ? fixed : Math.max(1, rows);
    const out = new Float64Array(rows * length);
    for (let first = 0; first < rows; first += most) {
      const feeds = Object.fromEntries(inputs.map((part) => [part.name, rowsOf(part, first, most)]));
      const result = await use.run(feeds, [target], { signal });
      const values = result[target]!.data as Float32Array;
      out.set(values.subarray(0, Math.min(most, rows - first) * length), first * length);
    }
    return out;
  };
  return {
    name: 'network',
    options: { file: name },
    shape,
    measuredShape,
    images: (x, signal) => run(session, output.name, m, [{ name: input.name, values: x, shape }], signal),
    products: (x, v, signal) =>
      run(
        derivative,
        `vjp.${input.name}`,
        d,
        [
          { name: input.name, values: x, shape },
          { name: COTANGENT, values: v, shape: measuredShape },
        ],
        signal,
      ),
    ...closable(async () => {
      await Promise.all([session.release(), derivative.release()]);
    }),
  };
}

/** Values of an input, of which some rows at a time are fed. */
interface Feeding {
  readonly name: string;
  readonly values: Float64Array;
  readonly shape: readonly number[];
}

/** `count` rows from the first on; what the values do not have is zero. */
function rowsOf({ values, shape }: Feeding, first: number, count: number): Tensor {
  const width = elementCount(shape);
  const data = new Float32Array(count * width);
  data.set(values.subarray(first * width, (first + count) * width));
  return { data, dims: [count, ...shape] };
}

function sizesOf(
  option: 'shape' | 'measuredShape',
  { name, type, shape }: TensorInfo,
  given: readonly number[] | undefined,
): readonly number[] {
  if (type !== 'float32')
    throw new ModelError(`Its tensor "${name}" is ${type}; an operator takes and gives float32.`, {
      option: 'operator',
    });
  const own = shape?.slice(1) ?? [];
  const stated = own.filter((size) => typeof size === 'number');
  const isOpen = own.length === 0 || stated.length < own.length;
  const sizes = given ?? (isOpen ? undefined : stated);
  if (sizes === undefined)
    throw new ModelError(
      `Its tensor "${name}" has shape [${shape?.join(', ') ?? '?'}]; give ${option}, that of one ${option === 'shape' ? 'sample' : 'measurement'}.`,
      { option: 'operator' },
    );
  checkShape(option, sizes);
  if (!isOpen && stated.join() !== sizes.join())
    throw new OptionError(option, sizes, `[${stated.join(', ')}], as the file has it`);
  return sizes;
}
