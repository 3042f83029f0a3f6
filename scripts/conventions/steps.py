"""The schedulers of published packages on the levels that fastsde walks, from the same start and with the same noise."""

import functools
import importlib
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
sys.path.append(str(Path(__file__).parents[1] / "parity"))
from packages import K  # noqa: E402

torch.set_default_dtype(torch.float32)

STEPS, COUNT = 10, 2


@functools.cache
def noise(elements):
    """[1 + STEPS, COUNT, elements]: of the prior, and of every step."""
    script = Path(__file__).with_name("noise.mjs")
    out = subprocess.run(["node", script, *map(str, (COUNT, elements, STEPS))], check=True, capture_output=True).stdout
    return np.frombuffer(out, np.float32).reshape(1 + STEPS, COUNT, elements)


def drawn(shape):
    values = noise(int(np.prod(shape))).reshape(1 + STEPS, COUNT, *shape)
    return values[0], values[1:]


PREDICTIONS = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}


def scheduler(name, process, output, **config):
    made = getattr(importlib.import_module("diffusers"), name)(
        num_train_timesteps=process.count, prediction_type=PREDICTIONS[output], timestep_spacing="leading", **config
    )
    # Its own are rounded to single precision before they are multiplied.
    made.alphas_cumprod = torch.from_numpy(process.squares)
    made.alphas = torch.from_numpy(process.squares / np.concatenate([[1.0], process.squares[:-1]]))
    made.betas = 1 - made.alphas
    return made


def evenly(process):
    return np.linspace(0, process.count - 1, STEPS).round()[::-1].astype(int)


def even_in_lambda(process, count=STEPS):
    """The levels nearest to those that are even in ln(sigma / alpha), falling, each once."""
    if process.at(process.count - 1)[0] == 0:  # all noise: that one, and those of the others
        return [process.count - 1, *even_in_lambda(type(process)(process.squares[:-1]), count - 1)]
    noise = np.log([sigma / alpha for alpha, sigma in map(process.at, range(process.count))])
    chosen = []
    for k, value in enumerate(np.linspace(noise[0], noise[-1], count)):
        free = range(chosen[-1] + 1 if chosen else 0, process.count - (count - 1 - k))
        chosen.append(min(free, key=lambda level: abs(noise[level] - value)))
    return chosen[::-1]


def run(made, predict, x, **step):
    x = torch.from_numpy(x)
    for k, time in enumerate(made.timesteps):
        F = torch.from_numpy(predict(x.numpy(), int(time)))
        x = made.step(F, time, x, **{key: value(k) for key, value in step.items()}).prev_sample
    return x.numpy()


def ddpm(process, output, predict, shape, learned=False):
    start, z = drawn(shape)
    made = scheduler("DDPMScheduler", process, output, clip_sample=False, variance_type="learned_range" if learned else "fixed_small")
    made.set_timesteps(timesteps=list(map(int, evenly(process))))
    module = importlib.import_module(type(made).__module__)
    steps = iter(z)
    drawing, module.randn_tensor = module.randn_tensor, lambda *_, **__: torch.from_numpy(next(steps).astype(np.float64))
    try:
        return run(made, predict, start.astype(np.float64))
    finally:
        module.randn_tensor = drawing


def ddim(process, output, predict, shape):
    made = scheduler("DDIMScheduler", process, output, clip_sample=False)
    made.set_timesteps(STEPS)
    # It walks levels that are evenly spread; ours stand in their places.
    levels = dict(zip(made.timesteps.tolist(), even_in_lambda(process)))
    made.alphas_cumprod = made.alphas_cumprod.clone()
    for time, level in levels.items():
        made.alphas_cumprod[time] = process.squares[level]
    made.final_alpha_cumprod = made.final_alpha_cumprod.double()
    return run(made, lambda x, time: predict(x, levels[time]), drawn(shape)[0].astype(np.float64))


def dpm_solver(process, output, predict, shape):
    made = scheduler("DPMSolverMultistepScheduler", process, output, solver_order=2, final_sigmas_type="zero")
    made.set_timesteps(timesteps=even_in_lambda(process))
    return run(made, predict, drawn(shape)[0].astype(np.float64))


def by_k_diffusion(process, name, denoise, shape, sigmas):
    """Samplers of k-diffusion, whose states are x_0 + sigma z."""
    start = drawn(shape)[0].astype(np.float64) * process.prior
    model = lambda x, sigma: torch.from_numpy(denoise(x.numpy(), float(sigma[0])))
    return getattr(K, f"sample_{name}")(model, torch.from_numpy(start), torch.from_numpy(sigmas), disable=True).numpy()


def flow_euler(predict, shape, times):
    """FlowMatchEulerDiscreteScheduler, whose sigma is our t, from noise at t = 1."""
    made = importlib.import_module("diffusers").FlowMatchEulerDiscreteScheduler()
    made.set_timesteps(sigmas=list(times[:-1]))
    made.sigmas = torch.tensor(times, dtype=torch.float64)
    x = torch.from_numpy(drawn(shape)[0].astype(np.float64))
    for k, time in enumerate(made.timesteps):
        F = torch.from_numpy(predict(x.numpy(), times[k]))
        x = made.step(F, time, x.double()).prev_sample
    return x.double().numpy()
