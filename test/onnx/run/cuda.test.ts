// What is said where a network does not start on a GPU. What ONNX Runtime says there was taken from its library for CUDA, without a GPU.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import { cudaLibraries, explainCuda } from '../../../src/onnx/run/cuda.js';

const reasons = {
  driver: 'there is no CUDA driver: libcuda.so.1: cannot open shared object file: No such file or directory',
  device:
    'Failed to parse provider option "device_id": CUDA failure 100: no CUDA-capable device is detected ; GPU=-1',
  library: 'libcublasLt.so.13: cannot open shared object file: No such file or directory',
};

test('the error of a network that does not start on a GPU says what is missing', (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const library = path.join(folder, 'libonnxruntime.so.1');
  const said = (reason: string) => explainCuda(library, new Error(reason)).message;
  t.regex(said(reasons.driver), /cannot start: there is no CUDA driver: .*directory\.$/);
  t.regex(said(reasons.device), /its libraries load, but there is no CUDA-capable device/);
  t.regex(
    said(reasons.library),
    /There is no .*libonnxruntime_providers_cuda.so\. npm rebuild onnxruntime-node/,
  );
  writeFileSync(path.join(folder, 'libonnxruntime_providers_cuda.so'), '');
  t.regex(
    said(reasons.library),
    /libcublasLt.so.13.*It needs an NVIDIA driver and, of one version, CUDA and cuDNN/,
  );
});

test("NVIDIA's libraries are found among packages of Python, those first that others need", (t) => {
  const site = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(site, { recursive: true });
  });
  const library = path.join(site, 'onnxruntime', 'capi', 'libonnxruntime.so.1');
  t.deepEqual(cudaLibraries(library), []);
  for (const file of [
    'cudnn/lib/libcudnn.so.9',
    'cu13/lib/libcublas.so.13',
    'cu13/lib/libcublasLt.so.13',
    'cu13/lib/libcudart.so.13',
  ]) {
    mkdirSync(path.dirname(path.join(site, 'nvidia', file)), { recursive: true });
    writeFileSync(path.join(site, 'nvidia', file), '');
  }
  t.deepEqual(
    cudaLibraries(library).map((file) => path.basename(file)),
    ['libcudart.so.13', 'libcublasLt.so.13', 'libcublas.so.13', 'libcudnn.so.9'],
  );
});
