"""The samplers of published packages on the denoiser of a mixture, in double precision, on levels that are given.

Every sampler is a function of the levels, an array [n + 1, 2] of alpha and sigma, and of the states at the first one, [points, 2],
which returns the states at the last one. Samplers with noise take a third argument, the noise of step k; without it there is none.

    pip install torch diffusers torchsde torchdiffeq && pip install --no-deps k-diffusion
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import itertools
import logging
import sys
import types
import warnings

import numpy as np
import torch

import mixture

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_default_dtype(torch.float64)

VERSIONS = {name: importlib.metadata.version(name) for name in ("k-diffusion", "diffusers")}


def _k_diffusion():
    """Its samplers alone: the package would import what networks and pictures take, which they do not."""
    package = types.ModuleType("k_diffusion")
    package.__path__ = list(importlib.util.find_spec("k_diffusion").submodule_search_locations)
    package.utils = types.ModuleType("k_diffusion.utils")
    package.utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    sys.modules["k_diffusion"], sys.modules["k_diffusion.utils"] = package, package.utils
    return importlib.import_module("k_diffusion.sampling")


K = _k_diffusion()


def denoiser(x, sigma):
    """The model of k-diffusion, whose states are x_0 + sigma z."""
    return torch.from_numpy(mixture.estimate(x.numpy(), 1.0, float(sigma[0])))


def by_k_diffusion(name, **options):
    def run(levels, x, noise=lambda _: 0.0):
        assert np.all(levels[:, 0] == 1)
        sampler = getattr(K, f"sample_{name}")
        if "noise_sampler" in inspect.signature(sampler).parameters:
            steps = itertools.count()
            options["noise_sampler"] = lambda *_: torch.as_tensor(noise(next(steps)))
        sigmas = torch.from_numpy(levels[:, 1].copy())
        return sampler(denoiser, torch.from_numpy(x), sigmas, disable=True, **options).numpy()

    return run


@contextlib.contextmanager
def _double():
    """diffusers rounds states to single precision: casts to it are passed over."""
    to = torch.Tensor.to

    def cast(self, *args, **kwargs):
        args = tuple(a for a in args if a is not torch.float32)
        kwargs = {k: v for k, v in kwargs.items() if v is not torch.float32}
        return to(self, *args, **kwargs) if args or kwargs else self

    torch.Tensor.to = cast
    try:
        yield
    finally:
        torch.Tensor.to = to


def _scheduler(name, config):
    return getattr(importlib.import_module("diffusers"), name)(**config)


def _walk(scheduler, levels, x, rows=None, noise=None):
    rows = range(len(levels) - 1) if rows is None else rows
    states = torch.from_numpy(x)
    with _double():
        for row, time in zip(rows, scheduler.timesteps, strict=True):
            output = torch.from_numpy(mixture.noise(states.numpy(), *levels[row]))
            drawn = {"variance_noise": torch.from_numpy(noise(row))} if noise else {}
            states = scheduler.step(output, time, states, **drawn).prev_sample
    return states.numpy()


def by_diffusers(name, **config):
    """A scheduler that reads sigma / alpha from a list, in which ours stand."""

    def run(levels, x, noise=lambda _: np.zeros((1, 2))):
        scheduler = _scheduler(name, config)
        scheduler.set_timesteps(len(levels) - 1)
        scheduler.sigmas = torch.from_numpy(levels[:, 1] / levels[:, 0])
        return _walk(scheduler, levels, x, noise=noise if "sde" in config.get("algorithm_type", "") else None)

    return run


def by_diffusers_betas(name, **config):
    """A scheduler that reads alpha^2 at its 1000 trained levels, at those of which that are visited ours stand."""

    def run(levels, x):
        scheduler = _scheduler(name, {"clip_sample": False, **config} if name.startswith("DDIM") else config)
        scheduler.set_timesteps(len(levels) - 1)
        visited = sorted({int(time) for time in scheduler.timesteps}, reverse=True)
        squares = torch.zeros(1000)
        squares[visited] = torch.from_numpy(levels[:-1, 0] ** 2)
        scheduler.alphas_cumprod = squares
        scheduler.final_alpha_cumprod = torch.tensor(levels[-1, 0] ** 2)
        return _walk(scheduler, levels, x, [visited.index(int(time)) for time in scheduler.timesteps])

    return run


def by_diffusers_ipndm(levels, x):
    """Its network predicts v = alpha z - sigma x_0."""
    scheduler = _scheduler("IPNDMScheduler", {})
    scheduler.set_timesteps(len(levels) - 1)
    scheduler.alphas, scheduler.betas = torch.from_numpy(levels[:, 0].copy()), torch.from_numpy(levels[:, 1].copy())
    states = torch.from_numpy(x)
    for (alpha, sigma), time in zip(levels[:-1], scheduler.timesteps, strict=True):
        z, x0 = mixture.noise(states.numpy(), alpha, sigma), mixture.estimate(states.numpy(), alpha, sigma)
        states = scheduler.step(torch.from_numpy(alpha * z - sigma * x0), time, states).prev_sample
    return states.numpy()
