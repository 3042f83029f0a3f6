import type { Field, FieldKind, Message, Schema } from './wire.js';
import { parseMessage } from './wire-reader.js';
import { serializeMessage } from './wire-writer.js';

/**
 * The messages of onnx.proto (https://onnx.ai/onnx/api/classes.html) that a transform looks into. What is not listed
 * (sparse tensors, training info, device configurations, ...) is kept byte for byte in `unknown`.
 */
export interface ModelProto extends Message {
  ir_version?: number;
  producer_name?: string;
  producer_version?: string;
  domain?: string;
  model_version?: number;
  doc_string?: string;
  graph?: GraphProto;
  opset_import: OperatorSetId[];
  metadata_props: StringEntry[];
  functions: FunctionProto[];
}

export interface GraphProto extends Message {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  doc_string?: string;
  input: ValueInfo[];
  output: ValueInfo[];
  value_info: ValueInfo[];
}

/** One application of an operator; an empty input or output name means "not given". */
export interface NodeProto extends Message {
  input: string[];
  output: string[];
  name?: string;
  op_type?: string;
  domain?: string;
  overload?: string;
  attribute: AttributeProto[];
  doc_string?: string;
}

export interface AttributeProto extends Message {
  name?: string;
  type?: number;
  ref_attr_name?: string;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  graphs: GraphProto[];
}

export interface TensorProto extends Message {
  dims: number[];
  data_type?: number;
  name?: string;
  float_data?: Float32Array;
  int32_data?: Int32Array;
  int64_data?: BigInt64Array;
  double_data?: Float64Array;
  uint64_data?: BigUint64Array;
  string_data: Uint8Array[];
  raw_data?: Uint8Array;
  external_data: StringEntry[];
  data_location?: number;
}

export interface ValueInfo extends Message {
  name?: string;
  type?: TypeProto;
}

export interface TypeProto extends Message {
  tensor_type?: TensorTypeProto;
}

export interface TensorTypeProto extends Message {
  elem_type?: number;
  shape?: ShapeProto;
}

export interface ShapeProto extends Message {
  dim: Dimension[];
}

/** A fixed size, a symbol, or neither (unknown). */
export interface Dimension extends Message {
  dim_value?: number;
  dim_param?: string;
}

export interface OperatorSetId extends Message {
  domain?: string;
  version?: number;
}

export interface StringEntry extends Message {
  key?: string;
  value?: string;
}

export interface FunctionProto extends Message {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  node: NodeProto[];
  opset_import: OperatorSetId[];
  domain?: string;
}

type Entry = [number, string, FieldKind | (() => Schema), 'repeated'?];

function schema(...entries: Entry[]): Schema {
  return new Map(
    entries.map(([number, name, kind, repeated]): [number, Field] => [
      number,
      {
        name,
        repeated: repeated !== undefined,
        ...(typeof kind === 'string' ? { kind } : { kind: 'message' as const, schema: kind }),
      },
    ]),
  );
}

const stringEntry = schema([1, 'key', 'string'], [2, 'value', 'string']);
const operatorSet = schema([1, 'domain', 'string'], [2, 'version', 'int']);
const dimension = schema([1, 'dim_value', 'int'], [2, 'dim_param', 'string']);
const shape = schema([1, 'dim', () => dimension, 'repeated']);
const tensorType = schema([1, 'elem_type', 'int'], [2, 'shape', () => shape]);
const type = schema([1, 'tensor_type', () => tensorType]);
const valueInfo = schema([1, 'name', 'string'], [2, 'type', () => type]);

const tensor = schema(
  [1, 'dims', 'int', 'repeated'],
  [2, 'data_type', 'int'],
  [4, 'float_data', 'floats'],
  [5, 'int32_data', 'int32s'],
  [6, 'string_data', 'bytes', 'repeated'],
  [7, 'int64_data', 'int64s'],
  [8, 'name', 'string'],
  [9, 'raw_data', 'bytes'],
  [10, 'double_data', 'doubles'],
  [11, 'uint64_data', 'uint64s'],
  [13, 'external_data', () => stringEntry, 'repeated'],
  [14, 'data_location', 'int'],
);

const attribute: Schema = schema(
  [1, 'name', 'string'],
  [2, 'f', 'float'],
  [3, 'i', 'long'],
  [4, 's', 'bytes'],
  [5, 't', () => tensor],
  [6, 'g', () => graph],
  [7, 'floats', 'float', 'repeated'],
  [8, 'ints', 'long', 'repeated'],
  [9, 'strings', 'bytes', 'repeated'],
  [11, 'graphs', () => graph, 'repeated'],
  [20, 'type', 'int'],
  [21, 'ref_attr_name', 'string'],
);

const node = schema(
  [1, 'input', 'string', 'repeated'],
  [2, 'output', 'string', 'repeated'],
  [3, 'name', 'string'],
  [4, 'op_type', 'string'],
  [5, 'attribute', () => attribute, 'repeated'],
  [6, 'doc_string', 'string'],
  [7, 'domain', 'string'],
  [8, 'overload', 'string'],
);

const graph: Schema = schema(
  [1, 'node', () => node, 'repeated'],
  [2, 'name', 'string'],
  [5, 'initializer', () => tensor, 'repeated'],
  [10, 'doc_string', 'string'],
  [11, 'input', () => valueInfo, 'repeated'],
  [12, 'output', () => valueInfo, 'repeated'],
  [13, 'value_info', () => valueInfo, 'repeated'],
);

const functionProto = schema(
  [1, 'name', 'string'],
  [4, 'input', 'string', 'repeated'],
  [5, 'output', 'string', 'repeated'],
  [6, 'attribute', 'string', 'repeated'],
  [7, 'node', () => node, 'repeated'],
  [9, 'opset_import', () => operatorSet, 'repeated'],
  [10, 'domain', 'string'],
);

const model = schema(
  [1, 'ir_version', 'int'],
  [2, 'producer_name', 'string'],
  [3, 'producer_version', 'string'],
  [4, 'domain', 'string'],
  [5, 'model_version', 'int'],
  [6, 'doc_string', 'string'],
  [7, 'graph', () => graph],
  [8, 'opset_import', () => operatorSet, 'repeated'],
  [14, 'metadata_props', () => stringEntry, 'repeated'],
  [25, 'functions', () => functionProto, 'repeated'],
);

/**
 * Decodes a model; weights stay views into `bytes`.
 * @throws ModelError where the bytes are truncated or not a model.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return parseMessage(model, bytes) as ModelProto;
}

/** Encodes a model as chunks for `writev`; long weights are the caller's own views, not copies. */
export function encodeModel(proto: ModelProto): Uint8Array[] {
  return serializeMessage(model, proto);
}
