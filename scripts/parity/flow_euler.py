"""Writes test/fixtures/flow-euler.json: trajectories of diffusers' FlowMatchEulerDiscreteScheduler on the exact velocity of N(0.3, 0.5^2).

    python scripts/parity/flow_euler.py            # diffusers and torch
"""

import json
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

MEAN, VARIANCE = 0.3, 0.25


def velocity(x, t):
    """z - x_0 at x = (1 - t) x_0 + t z."""
    gain = ((1 - t) * VARIANCE - t) / ((1 - t) ** 2 * VARIANCE + t**2)
    return -MEAN - gain * (x - (1 - t) * MEAN)


def trajectory(shift, steps):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    x = torch.linspace(-2, 2, 8, dtype=torch.float64)
    start = x.tolist()
    for sigma, timestep in zip(scheduler.sigmas.double(), scheduler.timesteps):
        x = scheduler.step(velocity(x, sigma), timestep, x, return_dict=False)[0].double()
    return {"shift": shift, "sigmas": scheduler.sigmas.tolist(), "start": start, "end": x.tolist()}


cases = [trajectory(shift, steps) for shift, steps in ((1.0, 10), (3.0, 12), (3.0, 28))]
path = Path(__file__).parents[2] / "test" / "fixtures" / "flow-euler.json"
path.write_text(json.dumps(cases, indent=1) + "\n")
