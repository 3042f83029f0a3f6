"""The work of bench/kernels.ts as chains of PyTorch operations on one core: python3 bench/kernels_torch.py 64x3072 ...

Prints a JSON object of nanoseconds per element by "work shape". The chains are those of a score-based sampler written
with tensors: every operation of the formulas on the whole batch, with per-sample scalars broadcast.
"""

import json
import sys
import time

import torch

torch.set_num_threads(1)


def nanoseconds(call):
    """Best time of one call over many short runs, as in bench/measure.ts."""

    def timed(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) * 1e9

    calls = 1
    while timed(calls) < 5e5:
        calls *= 2
    best, runs, end = float("inf"), 0, time.perf_counter() + 0.4
    while runs < 5 or time.perf_counter() < end:
        best, runs = min(best, timed(calls) / calls), runs + 1
    return best


def predictor(x, score, beta, dt):
    """Euler-Maruyama for the reverse-time VP SDE."""
    b = beta[:, None]
    drift = -0.5 * b * x - b * score
    z = torch.randn_like(x)
    mean = x + drift * dt
    return mean + torch.sqrt(b) * (-dt) ** 0.5 * z, mean


def langevin(x, score, alpha, snr=0.16):
    """The corrector with norms over the batch."""
    z = torch.randn_like(x)
    score_norm = torch.norm(score, dim=-1).mean()
    noise_norm = torch.norm(z, dim=-1).mean()
    step = (snr * noise_norm / score_norm) ** 2 * 2 * alpha
    mean = x + step[:, None] * score
    return mean + torch.sqrt(2 * step)[:, None] * z, mean


def diffuse(images, flips, alpha, sigma):
    """x_t of images in bytes, half of them mirrored, and the target v."""
    x0 = images.float() * (2 / 255) - 1
    x0 = torch.where(flips[:, None, None], x0.flip(-1), x0)
    z = torch.randn_like(x0)
    a, s = alpha[:, None, None], sigma[:, None, None]
    return a * x0 + s * z, a * z - s * x0


def adamw(n):
    p = torch.nn.Parameter(torch.rand(n))
    p.grad = torch.rand(n)
    optimizer = torch.optim.AdamW([p], lr=1e-9)
    average = torch.rand(n)

    def step():
        optimizer.step()
        average.mul_(0.999).add_(p.detach(), alpha=0.001)

    return step


def main(shapes):
    times = {}
    for shape in shapes:
        batch, size = map(int, shape.split("x"))
        n = batch * size
        x, score = torch.rand(batch, size) - 0.5, torch.rand(batch, size) - 0.5
        beta, alpha = torch.full((batch,), 0.5), torch.ones(batch)
        times[f"normal {shape}"] = nanoseconds(lambda: torch.randn_like(x)) / n
        times[f"predictor {shape}"] = nanoseconds(lambda: predictor(x, score, beta, -0.001)) / n
        times[f"langevin {shape}"] = nanoseconds(lambda: langevin(x, score, alpha)) / n
        width = 28 if size % 784 == 0 else 32 if size % 32 == 0 else 1
        images = torch.randint(0, 256, (batch, size // width, width), dtype=torch.uint8)
        flips = torch.arange(batch) % 2 == 1
        signal, sigma = torch.full((batch,), 0.8), torch.full((batch,), 0.6)
        times[f"diffuse {shape}"] = nanoseconds(lambda: diffuse(images, flips, signal, sigma)) / n
    for n in (1_000_000, 20_000_000):
        times[f"adamw {n}"] = nanoseconds(adamw(n)) / n
    json.dump(times, sys.stdout)


with torch.no_grad():
    main(sys.argv[1:])
