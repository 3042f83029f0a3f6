"""Writes what diffusers' schedulers make of eight numbers, with a function in the place of a network, for test/sde/scheduler.test.ts.

    python scripts/latent/steps.py > test/fixtures/schedulers.json
"""

import json

import diffusers
import numpy as np
import torch
from schedulers import EDM, LADDERS, inject

MORE = [
    ("DDIMScheduler", {}, 20),
    ("DDIMScheduler", {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1000.0}, 7),
    ("DEISMultistepScheduler", {}, 20),
    ("DEISMultistepScheduler", {"solver_order": 3, "timestep_spacing": "trailing"}, 9),
    ("DEISMultistepScheduler", {"solver_order": 3, "lower_order_final": False, "timestep_spacing": "leading", "steps_offset": 1}, 12),
    ("KDPM2DiscreteScheduler", {"timestep_spacing": "trailing"}, 7),
    ("KDPM2DiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "v_prediction"}, 12),
    ("HeunDiscreteScheduler", {"use_karras_sigmas": True}, 9),
    ("LMSDiscreteScheduler", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}, 12),
    ("PNDMScheduler", {"skip_prk_steps": True, "timestep_spacing": "trailing"}, 30),
    ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": True}, 5),
    ("LCMScheduler", {}, 4),
    ("LCMScheduler", {"original_inference_steps": 40, "prediction_type": "v_prediction", "clip_sample": True}, 7),
    ("KDPM2AncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 7),
    ("KDPM2AncestralDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}, 12),
    ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 9),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "solver_type": "bh1", "solver_order": 3}, 17),
    ("EulerDiscreteScheduler", {"use_beta_sigmas": True, "timestep_spacing": "trailing"}, 12),
    ("HeunDiscreteScheduler", {"use_beta_sigmas": True}, 7),
]
FLOWS = [("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 28), ("FlowMatchEulerDiscreteScheduler", {"shift": 1.0}, 1)]
SEED = 3


def network(x, t):
    return 0.6 * torch.sin(x) + 0.3 * torch.cos(t / 400) + 0.2


def run(name, config, steps):
    scheduler = getattr(diffusers, name)(**config)
    scheduler.set_timesteps(steps)
    inject(scheduler, (1, 8, 1), steps)
    start = torch.from_numpy(np.random.default_rng(SEED).standard_normal(8)).float()[None, :, None]
    x = start * getattr(scheduler, "init_noise_sigma", 1.0)
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(network(scaled, t), t, x).prev_sample
    kept = {key: value for key, value in scheduler.config.items() if value is not None and value != -float("inf") and not key.startswith("_")}
    config = {"_class_name": name, **{key: list(v) if isinstance(v, tuple) else v for key, v in kept.items()}}
    numbers = lambda values: [round(float(value), 6) for value in values.flatten()]  # noqa: E731
    # Between two of its levels it names the one in the middle of the step.
    timesteps = scheduler.timesteps[::2] if name.startswith("KDPM2") else scheduler.timesteps
    return {"config": config, "steps": steps, "timesteps": numbers(timesteps), "end": numbers(x)}


if __name__ == "__main__":
    ladder = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    cases = [run(name, {**ladder, **config}, steps or 50) for name, config, steps in [*LADDERS[:-3], *MORE]]
    cases += [run(*case) for case in [*EDM, *FLOWS]]
    start = [round(float(value), 8) for value in np.random.default_rng(SEED).standard_normal(8)]
    print(json.dumps({"start": start, "cases": cases}))
