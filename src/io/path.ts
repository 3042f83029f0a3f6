import { fileURLToPath } from 'node:url';
import { isAnyArrayBuffer } from 'node:util/types';
import { OptionError } from '../errors.js';
import { isRecord } from '../options.js';

/** A URL object, as `new URL('model.onnx', import.meta.url)` makes it, of a file. */
export interface FileUrl {
  /** The whole URL. */
  readonly href: string;
  /** `file:`; of others nothing is read. */
  readonly protocol: string;
}

/** Where a file or folder is: its path, or its `file:` URL, as an object or as text. */
export type FilePath = string | FileUrl;

/** A model in a file or a folder, or the bytes of its file. */
export type ModelFile = FilePath | Uint8Array | ArrayBuffer;

const isUrl = (value: unknown): value is FileUrl =>
  value instanceof URL || (isRecord(value) && typeof value['href'] === 'string');

/**
 * The path that is meant.
 * @param option How errors call it.
 * @throws OptionError for what is neither a path nor the URL of a file; for one of the network, how to get the file.
 */
export function pathOf(option: string, given: FilePath): string {
  const text = isUrl(given) ? given.href : (given as unknown);
  if (typeof text !== 'string') throw new OptionError(option, given, 'a path, or the file: URL of a file');
  const [, scheme] = /^([a-z][a-z\d+.-]+):\/\//i.exec(text) ?? /^(file):/i.exec(text) ?? [];
  if (scheme === undefined && !isUrl(given)) return text;
  switch (scheme?.toLowerCase()) {
    case 'file':
      try {
        return fileURLToPath(text);
      } catch (cause) {
        throw new OptionError(option, text, `the URL of a file of this machine: ${(cause as Error).message}`);
      }
    case 'http':
    case 'https':
      throw new OptionError(option, text, `a file: nothing is downloaded. First: curl -L -O ${text}`);
    default:
      throw new OptionError(option, text, 'a path, or the file: URL of a file');
  }
}

/** Whether this says where a model is, or is one. */
export function isModelFile(value: unknown): value is ModelFile {
  return typeof value === 'string' || value instanceof Uint8Array || isAnyArrayBuffer(value) || isUrl(value);
}

/**
 * The path or the bytes that are meant.
 * @param option How errors call it.
 * @throws OptionError for what is none.
 */
export function modelSource(option: string, given: ModelFile): string | Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (isAnyArrayBuffer(given)) return new Uint8Array(given);
  if (!isModelFile(given)) {
    const expected = 'the path or file: URL of an ONNX file, or its bytes as a Uint8Array or an ArrayBuffer';
    throw new OptionError(option, given, expected);
  }
  return pathOf(option, given);
}
