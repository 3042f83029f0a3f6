"""Trains the embedded MNIST models: one denoiser for every noise level, then a VP and a VE model tuned from it.

VP and VE states at equal noise-to-signal ratio are the same state in other units, so the expensive stage is shared.
"""

import argparse
import math
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import mnist
from unet import MEAN, STD, UNet

SIGMA_MAX = 20.0  # of the VE model; the largest distance between two digits in [0, 1] is about 18


def shared_noise(n: int) -> torch.Tensor:
    """ln(sigma / alpha): where digits take shape, and a share over the whole range of both SDEs."""
    focused = -0.6 + 1.4 * torch.randn(n)
    spread = math.log(0.01) + torch.rand(n) * math.log(160 / 0.01)
    return torch.where(torch.rand(n) < 0.7, focused, spread)


def vp_noise(n: int) -> torch.Tensor:
    t = 1e-5 + (1 - 1e-5) * torch.rand(n, dtype=torch.float64)
    integral = t * (0.1 + 0.5 * 19.9 * t)
    return (0.5 * torch.log(torch.expm1(integral))).float()


def ve_noise(n: int) -> torch.Tensor:
    return math.log(2 * 0.01) + torch.rand(n) * math.log(SIGMA_MAX / 0.01)


def loss_of(net, clean, log_rho, weighting):
    rho = log_rho.exp()[:, None, None, None]
    scale = (rho.square() + STD**2).sqrt()
    centred = clean - MEAN
    noise = torch.randn_like(clean)
    # The target that makes c_skip x + c_out F exact, divided by c_out (Karras et al. 2022, Table 1).
    target = (STD**2 * (centred + rho * noise) / scale**2 - centred) * scale / (rho * STD)
    error = (net((centred + rho * noise) / scale, log_rho / 4) + target).square()
    return (error * weighting(rho, scale)).mean()


def unit_weight(rho, scale):
    return torch.ones_like(rho)


def noise_prediction_weight(rho, scale):
    """lambda = sigma^2: the squared error of eps = ... - (std / scale) F."""
    return (STD / scale) ** 2


def optimise(net, data, noise, weighting, seconds, rate, batch, checkpoint, average, parallel=False):
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    start = saved = time.time()
    step, running = 0, 0.0
    while True:
        fraction = torch.tensor((time.time() - start) / seconds)
        if parallel:
            dist.broadcast(fraction, 0)
        if fraction >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 200) * max(0.5 * (1 + math.cos(math.pi * fraction)), 0.01)
        clean = data[torch.randint(len(data), (batch,))]
        loss = loss_of(net, clean, noise(batch), weighting)
        optimiser.zero_grad()
        loss.backward()
        if parallel:
            flat = torch.cat([p.grad.flatten() for p in net.parameters()])
            dist.all_reduce(flat)
            for p, gradient in zip(net.parameters(), (flat / dist.get_world_size()).split([p.numel() for p in net.parameters()])):
                p.grad.copy_(gradient.view_as(p))
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, p in zip(average.parameters(), net.parameters()):
                mean.lerp_(p, 1 - decay)
        running = loss.item() if step == 1 else 0.99 * running + 0.01 * loss.item()
        if checkpoint and time.time() - saved > 120:
            saved = time.time()
            torch.save({"net": net.state_dict(), "average": average.state_dict()}, checkpoint)
            print(f"{checkpoint.name} step {step} loss {running:.4f} {step * batch / (saved - start):.0f} images/s a worker", flush=True)
    if checkpoint:
        torch.save({"net": net.state_dict(), "average": average.state_dict()}, checkpoint)


def worker(rank: int, args):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    dist.init_process_group("gloo", rank=rank, world_size=2)
    torch.manual_seed(0)
    net, average = UNet(), UNet()
    if args.start:
        net.load_state_dict(torch.load(args.start, weights_only=True)["average"])
    average.load_state_dict(net.state_dict())
    torch.manual_seed(1 + rank if args.start is None else 3 + rank)
    data = mnist.images(args.data, "train")
    shared = args.output / "shared.pt"
    optimise(net, data, shared_noise, unit_weight, 60 * args.minutes, args.rate, 64, shared if rank == 0 else None, average, parallel=True)
    name, noise = [("vp", vp_noise), ("ve", ve_noise)][rank]
    net.load_state_dict(average.state_dict())
    optimise(net, data, noise, noise_prediction_weight, 60 * args.tune, 2e-4, 128, args.output / f"{name}.pt", average)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files of MNIST, gzip")
    parser.add_argument("--output", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--minutes", type=float, default=60, help="time for the shared stage, two processes of one thread")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of the shared stage")
    parser.add_argument("--start", type=Path, help="checkpoint whose averaged weights the shared stage starts from")
    parser.add_argument("--tune", type=float, default=6, help="minutes for the VP and the VE stage, side by side")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    mp.spawn(worker, (args,), nprocs=2)
