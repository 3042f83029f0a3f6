"""The work of bench/restoration.ts in PyTorch: python3 bench/restoration_torch.py MODEL.onnx X.npy Y.npy TIMES.npy ITERATIONS THREADS OUT.npy

DDIM steps of the score that moment matching (iterations of GMRES above 0) or pseudoinverse guidance (0) gives the lower halves of digits, whose upper
halves are known. The graph of a step's evaluation is kept for all its products. Prints a JSON object.
"""

import json
import sys
import time

import numpy as np
import torch
from mnist_vp_torch import BETA0, BETA1, trained


def main():
    path, x_file, y_file, times_file, iterations, threads, out_file = sys.argv[1:8]
    torch.set_num_threads(int(threads))
    net = trained(path)
    x = torch.from_numpy(np.load(x_file)).reshape(-1, 1, 28, 28)
    y = torch.from_numpy(np.load(y_file)).reshape(x.shape)
    times = np.load(times_file).tolist()
    mask = torch.zeros(1, 1, 28, 28)
    mask[:, :, :14] = 1

    def level(t):
        integral = t * (BETA0 + 0.5 * (BETA1 - BETA0) * t)
        return np.exp(-0.5 * integral), np.sqrt(-np.expm1(-integral))

    def estimate(x, t):
        """The posterior mean of x_0 given x and y."""
        alpha, sigma = level(t)
        x = x.detach().requires_grad_(True)
        x0 = (x - sigma * net(x, torch.full((len(x),), 999 * t))) / alpha
        residual = (mask * (y - x0)).detach()

        def product(v):
            return sigma**2 / alpha * torch.autograd.grad(x0, x, v, retain_graph=True)[0]

        if iterations == "0":
            return (x0 + product(residual * (sigma**2 + alpha**2) / sigma**2)).detach()
        dot = lambda a, b: (a * b).sum(dim=(1, 2, 3), keepdim=True)
        size = dot(residual, residual).sqrt()
        basis, images, H = [residual / size], [], torch.zeros(len(x), int(iterations) + 1, int(iterations))
        for j in range(int(iterations)):
            images.append(product(basis[j]))
            next = mask * images[j]
            for i, vector in enumerate(basis):
                part = dot(vector, next)
                H[:, i, j] = part.flatten()
                next = next - part * vector
            rest = dot(next, next).sqrt()
            H[:, j + 1, j] = rest.flatten()
            basis.append(next / rest)
        right = torch.zeros(len(x), int(iterations) + 1, 1)
        right[:, 0, 0] = size.flatten()
        weights = torch.linalg.lstsq(H, right).solution
        return (x0 + sum(weights[:, j, 0, None, None, None] * image for j, image in enumerate(images))).detach()

    estimate(x, times[0])  # what is made at first use
    start, cpu = time.perf_counter(), time.process_time()
    for t, s in zip(times[:-1], times[1:]):
        (alpha, sigma), (to_alpha, to_sigma) = level(t), level(s)
        x0 = estimate(x, t)
        x = to_alpha * x0 + to_sigma / sigma * (x - alpha * x0)
    x = estimate(x, times[-1])
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}))
    np.save(out_file, x.numpy())


if __name__ == "__main__":
    main()
