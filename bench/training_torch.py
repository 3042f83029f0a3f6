"""The steps of bench/training.ts in PyTorch, for the network whose description (JSON) and threads are the arguments.

Reads lines "mode batch steps", where the mode is eager or compiled, and answers {"wall": ms, "cpu": ms, "peak": MB}, of a
step and of the process, or {"error": why}.
"""

import json
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "scripts" / "networks"))

import torch
from fixtures import Network, marginal

description = json.loads(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
torch.manual_seed(0)
images = torch.randint(0, 256, (4096, *description["shape"]), dtype=torch.uint8)


class Training:
    """AdamW with clipped gradients and a moving average of the parameters, by the fastest means that PyTorch has."""

    def __init__(self, compiled):
        self.network = Network(description).float()
        self.parameters = list(self.network.parameters())
        self.average = [each.detach().clone() for each in self.parameters]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=2e-4, fused=True)
        self.forward = torch.compile(self.network) if compiled else self.network

    def step(self, batch):
        x0 = images[torch.randint(0, len(images), (batch,))].float() / 127.5 - 1
        t = torch.rand(batch) * (1 - 1e-5) + 1e-5
        alpha, sigma, _ = marginal(description, t)
        noise = torch.randn_like(x0)
        x = alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * noise
        loss = (self.forward(x, alpha, sigma, None, keep) - noise).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1e-3)


def keep(name, h):
    return h


trainings = {}


def measure(mode, batch, steps):
    if mode not in trainings:
        trainings[mode] = Training(mode == "compiled")
        for _ in range(3):
            trainings[mode].step(batch)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        trainings[mode].step(batch)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": wall * 1e3 / steps, "cpu": cpu * 1e3 / steps, "peak": peak}


print(sum(each.numel() for each in Network(description).parameters()), flush=True)
for line in sys.stdin:
    mode, batch, steps = line.split()
    try:
        answer = measure(mode, int(batch), int(steps))
    except Exception as error:
        answer = {"error": str(error).splitlines()[0]}
    print(json.dumps(answer), flush=True)
