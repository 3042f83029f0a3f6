"""The work of bench/likelihood.ts in PyTorch: python3 bench/likelihood_torch.py MODEL.onnx X.npy V.npy TOLERANCE THREADS

The formulation of the published PyTorch code: the batch is one system for SciPy's RK45 in t from 1e-5 to 1, and each stage
evaluates the network once for the drift and once, with its gradient, for Hutchinson's estimate. Prints a JSON object.
"""

import json
import sys
import time

import numpy as np
import torch
from mnist_vp_torch import BETA0, BETA1, trained
from scipy import integrate


def main():
    path, x_file, v_file = sys.argv[1:4]
    tolerance, threads = float(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(threads)
    net = trained(path)
    x = torch.from_numpy(np.load(x_file)).reshape(-1, 1, 28, 28)
    v = torch.from_numpy(np.load(v_file)).reshape(x.shape)

    def drift(x, t):
        integral = t * (BETA0 + 0.5 * (BETA1 - BETA0) * t)
        sigma = torch.sqrt(-torch.expm1(-integral))
        beta = (BETA0 + t * (BETA1 - BETA0))[:, None, None, None]
        score = -net(x, 999 * t) / sigma[:, None, None, None]
        return -0.5 * beta * x - 0.5 * beta * score

    def divergence(x, t):
        with torch.enable_grad():
            x = x.requires_grad_(True)
            product = torch.autograd.grad((drift(x, t) * v).sum(), x)[0]
        x.requires_grad_(False)
        return (product * v).sum(dim=(1, 2, 3))

    def derivative(t, state):
        here = torch.from_numpy(state[: x.numel()].reshape(x.shape)).float()
        time = torch.full((len(x),), t)
        with torch.no_grad():
            slope = drift(here, time)
        return np.concatenate([slope.numpy().ravel(), divergence(here, time).numpy()])

    start, cpu = time.perf_counter(), time.process_time()
    state = np.concatenate([x.numpy().ravel(), np.zeros(len(x))])
    solution = integrate.solve_ivp(derivative, (1e-5, 1), state, rtol=tolerance, atol=tolerance, method="RK45")
    z, delta = solution.y[: x.numel(), -1].reshape(len(x), -1), solution.y[x.numel() :, -1]
    d = z.shape[1]
    log_density = -d / 2 * np.log(2 * np.pi) - (z**2).sum(1) / 2 + delta
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                "evaluations": solution.nfev,
                "bitsPerDim": (-log_density / d / np.log(2) + 7).tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()
