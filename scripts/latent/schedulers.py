"""Draws by diffusers' schedulers from one random network of Stable Diffusion's architecture, for schedulers.mjs to compare with.

    python scripts/latent/schedulers.py FOLDER [--architecture sd|sdxl|sd3] [--seed 0]

FOLDER becomes a folder of diffusers as diffusers_folder.py makes it, and FOLDER/schedulers holds for every scheduler its
`scheduler_config.json`, the latents at the end (`latents.npy`) and their pictures (`pictures.npy`). Those that draw noise on the way are given
the noise of a run of fastsde with seed 0 (npm run build:ts).
"""

import argparse
import importlib
import os
import subprocess
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers_folder import GUIDANCE, NEGATIVE, PROMPT, index, make_sd, make_sd3, make_sdxl, write

LADDER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LEADING = {"timestep_spacing": "leading", "steps_offset": 1}
ZERO = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}

# Class, config, steps (None: as the pipeline has it).
LADDERS = [
    ("DDIMScheduler", {**LEADING, "clip_sample": False, "set_alpha_to_one": False}, None),
    ("DDIMScheduler", {**LEADING, "clip_sample": False, "set_alpha_to_one": False}, 30),
    ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "trailing"}, 30),
    ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "linspace"}, 20),
    ("DDIMScheduler", {}, 4),
    ("DDIMScheduler", {**ZERO, "clip_sample": False}, 20),
    ("PNDMScheduler", {**LEADING, "skip_prk_steps": True, "set_alpha_to_one": False}, None),
    ("PNDMScheduler", {**LEADING, "skip_prk_steps": True, "set_alpha_to_one": False}, 7),
    ("EulerDiscreteScheduler", {**LEADING}, None),
    ("EulerDiscreteScheduler", {"timestep_spacing": "linspace"}, 20),
    ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}, 20),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, 20),
    ("EulerDiscreteScheduler", {"use_exponential_sigmas": True}, 20),
    ("EulerDiscreteScheduler", {**ZERO}, 20),
    ("EulerDiscreteScheduler", {"final_sigmas_type": "sigma_min"}, 20),
    ("LMSDiscreteScheduler", {}, 20),
    ("HeunDiscreteScheduler", {**LEADING}, 10),
    ("DPMSolverMultistepScheduler", {}, 20),
    ("DPMSolverMultistepScheduler", {**LEADING}, 25),
    ("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing"}, 10),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, 20),
    ("DPMSolverMultistepScheduler", {"solver_order": 3}, 20),
    ("DPMSolverMultistepScheduler", {"solver_type": "heun", "lower_order_final": False}, 10),
    ("DPMSolverMultistepScheduler", {"solver_order": 1, "thresholding": True}, 10),
    ("DPMSolverMultistepScheduler", {**ZERO}, 20),
    ("DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min"}, 20),
    ("UniPCMultistepScheduler", {}, 20),
    ("UniPCMultistepScheduler", {**LEADING, "solver_order": 3}, 10),
    ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}, 20),
    ("UniPCMultistepScheduler", {"use_karras_sigmas": True}, 20),
    ("EulerDiscreteScheduler", {"use_beta_sigmas": True}, 20),
    ("DEISMultistepScheduler", {}, 20),
    ("KDPM2DiscreteScheduler", {"timestep_spacing": "trailing"}, 10),
]
# These draw noise.
NOISY = [
    ("DDPMScheduler", {"clip_sample": False}, 20),
    ("DDPMScheduler", {}, 7),
    ("EulerAncestralDiscreteScheduler", {**LEADING}, 20),
    ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 10),
    ("KDPM2AncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, 10),
    ("LCMScheduler", {}, 4),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 20),
]
# These take no ladder.
EDM = [
    ("EDMEulerScheduler", {}, 20),
    ("EDMEulerScheduler", {"sigma_schedule": "exponential", "sigma_data": 1.0, "sigma_max": 20.0}, 7),
    ("EDMDPMSolverMultistepScheduler", {"rho": 5.0}, 16),
    ("EDMDPMSolverMultistepScheduler", {"solver_type": "heun"}, 9),
]
FLOWS = [
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, None),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 1.0}, 10),
    ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, 10),
    ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "time_shift_type": "linear"}, 10),
]


def noise(shape, steps):
    """That of every step of a run of fastsde with seed 0, each of this shape."""
    script = Path(__file__).parents[1] / "conventions" / "noise.mjs"
    count, *sizes = shape
    arguments = [str(number) for number in (count, np.prod(sizes), steps)]
    drawn = subprocess.run(["node", script, *arguments], capture_output=True, check=True).stdout
    return torch.from_numpy(np.frombuffer(drawn, np.float32).reshape(-1, *shape)[1:].copy())


def inject(scheduler, shape, steps):
    """Lets a scheduler draw that noise."""
    module = importlib.import_module(type(scheduler).__module__)
    drawn = iter(noise(shape, steps))
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = lambda *args, **kwargs: next(drawn)


def draw(folder, pipeline, scheduler, steps, start):
    pipeline.scheduler = scheduler
    inject(scheduler, start.shape, steps or 50)
    options = {} if steps is None else {"num_inference_steps": steps}
    side = pipeline.vae.config.sample_size
    common = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "height": side, "width": side}
    with torch.no_grad():
        latents = pipeline(**common, **options, latents=start, num_images_per_prompt=len(start), output_type="latent").images
        shift = getattr(pipeline.vae.config, "shift_factor", None) or 0
        pictures = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor + shift).sample
    folder.mkdir(parents=True)
    scheduler.save_config(folder)
    np.save(folder / "latents.npy", latents.numpy())
    np.save(folder / "pictures.npy", pictures.numpy())
    write(folder / "expected.json", {"num_inference_steps": steps, "timesteps": [float(t) for t in scheduler.timesteps]}, None)
    print(folder.name, len(scheduler.timesteps), latents.std().item())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--architecture", choices=["sd", "sdxl", "sd3"], default="sd")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    os.makedirs(given.folder, exist_ok=True)
    make = {"sd": make_sd, "sdxl": make_sdxl, "sd3": make_sd3}[given.architecture]
    made = make(given.folder, False, 1000, time=torch.tensor(3.0))
    index(given.folder, made)
    made.set_progress_bar_config(disable=True)
    is_flow = given.architecture == "sd3"
    start = torch.randn(2, 16 if is_flow else 4, 8, 8)
    np.save(given.folder / "start.npy", start.numpy())
    write(given.folder / "texts.json", {"prompt": PROMPT, "negative": NEGATIVE, "scale": GUIDANCE}, None)
    for number, (name, config, steps) in enumerate(FLOWS if is_flow else [*LADDERS, *EDM, *NOISY]):
        own = {} if is_flow or name.startswith("EDM") else LADDER
        scheduler = getattr(diffusers, name)(**own, **config)
        draw(given.folder / "schedulers" / f"{number:02d}", made, scheduler, steps, start)
