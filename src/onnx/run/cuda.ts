import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { LoadError } from '../../errors.js';
import { oneLine } from './session.js';

/** Of CUDA and cuDNN, in an order in which none needs a later one. */
const needed = ['cudart', 'nvrtc', 'nvJitLink', 'cublasLt', 'cublas', 'cufft', 'curand', 'cudnn'];

/**
 * The libraries of CUDA that Python's packages of NVIDIA bring along, where ONNX Runtime lies among packages of Python
 * (`pip install onnxruntime-gpu[cuda,cudnn]`): no path of the system names them. None for another ONNX Runtime.
 */
export function cudaLibraries(library: string): string[] {
  const nvidia = path.join(path.dirname(library), '..', '..', 'nvidia');
  if (!existsSync(nvidia)) return [];
  const files = readdirSync(nvidia)
    .map((name) => path.join(nvidia, name, 'lib'))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => path.join(folder, file)));
  return needed.flatMap((name) => files.filter((file) => path.basename(file).startsWith(`lib${name}.so`)));
}

/** @internal The error of a network that does not start on the GPU, with what to do. */
export function explainCuda(library: string, cause: unknown): LoadError {
  const provider = path.join(path.dirname(library), 'libonnxruntime_providers_cuda.so');
  const reason = oneLine(cause);
  if (/CUDA driver/.test(reason))
    return new LoadError(`The execution provider cuda cannot start: ${reason}.`, { cause });
  if (/no CUDA-capable device/.test(reason))
    return new LoadError(
      `The execution provider cuda cannot start: its libraries load, but there is no CUDA-capable device (${reason}).`,
      { cause },
    );
  const todo = existsSync(provider)
    ? `It needs an NVIDIA driver and, of one version, CUDA and cuDNN, which ${library} looks for where the system loads libraries from.`
    : `There is no ${provider}. npm rebuild onnxruntime-node downloads it for CUDA 12; or name another ONNX Runtime in FASTSDE_ONNXRUNTIME, such as ` +
      'that of pip install onnxruntime-gpu[cuda,cudnn].';
  return new LoadError(`The execution provider cuda cannot start: ${reason}. ${todo}`, { cause });
}
