"""The work of bench/autodiff.ts in PyTorch: reads "mode batch" lines, answers {"wall": ms, "cpu": ms} of one run each."""

import json
import sys
import time

import mnist_vp_torch
import torch

torch.set_num_threads(int(sys.argv[1]))
network = mnist_vp_torch.network()
feeds = {}


def forward(x, t, v):
    with torch.no_grad():
        return network(x, t)


def vjp(x, t, v):
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    leaf = x.clone().requires_grad_()
    result = torch.autograd.grad(network(leaf, t), leaf, v)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return result


def jvp(x, t, v):
    with torch.no_grad():
        return torch.func.jvp(lambda each: network(each, t), (x,), (v,))


def train(x, t, v):
    network.zero_grad()
    (network(x, t) - v).square().flatten(1).mean(1).mean().backward()


MODES = {"forward": forward, "vjp": vjp, "jvp": jvp, "train": train, "blocked": train}
print("ready", flush=True)
for line in sys.stdin:
    mode, batch = line.split()[0], int(line.split()[1])
    key = (mode, batch)
    if key not in feeds:
        feeds[key] = torch.randn(batch, 1, 28, 28), torch.full((batch,), 400.0), torch.randn(batch, 1, 28, 28)
        MODES[mode](*feeds[key])
    start, cpu = time.perf_counter(), time.process_time()
    MODES[mode](*feeds[key])
    print(json.dumps({"wall": (time.perf_counter() - start) * 1e3, "cpu": (time.process_time() - cpu) * 1e3}), flush=True)
