import {
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../../src/onnx/graph/graph.js';
import type { NodeProto } from '../../../src/onnx/file/proto.js';
import type { NdArray } from './array.js';

/** Evaluates one node; an absent optional input is undefined. */
export type Operator = (inputs: readonly NdArray[], node: NodeProto) => NdArray | NdArray[];

export const int: (node: NodeProto, name: string, absent: number) => number = intAttribute;
export const ints: (node: NodeProto, name: string) => number[] | undefined = intsAttribute;
export const float: (node: NodeProto, name: string, absent: number) => number = floatAttribute;
export const text: (node: NodeProto, name: string, absent: string) => string = stringAttribute;
