"""Orders of convergence of published samplers, and what else of them can be measured, on the mixture.

    python scripts/parity/orders.py

Errors are root mean squares over 64 points at the end of the probability-flow ODE; orders are those between the last two numbers of
steps. `node scripts/parity/orders.mjs` prints ours.
"""

import numpy as np
import torch
from scipy.integrate import solve_ivp

import mixture
from cases import MULTI, SINGLE, LAST
from levels import edm_levels, vp_levels
from packages import K, VERSIONS, by_diffusers, by_diffusers_betas, by_diffusers_ipndm, by_k_diffusion, denoiser

POINTS = np.array([[1.5 * np.sin(1 + 2.3 * i), 1.5 * np.sin(2.1 + 1.7 * i)] for i in range(64)])


def exact(levels, x):
    """In rho = sigma / alpha the scaled state y = x / alpha has dy / drho = E[z | x]."""

    def slope(log_rho, flat):
        rho = np.exp(log_rho)
        return rho * mixture.noise(flat.reshape(-1, 2), 1.0, rho).ravel()

    (first, last) = (np.log(level[1] / level[0]) for level in (levels[0], levels[-1]))
    y = solve_ivp(slope, (first, last), (x / levels[0][0]).ravel(), method="DOP853", rtol=1e-12, atol=1e-12)
    return levels[-1][0] * y.y[:, -1].reshape(-1, 2)


def errors(sampler, levels_of, steps):
    for count in steps:
        levels = levels_of(count)
        start = POINTS * np.hypot(*levels[0])
        yield np.sqrt(np.mean((sampler(levels, start.copy()) - exact(levels, start)) ** 2))


def line(package, words, sampler, levels_of, steps):
    found = list(errors(sampler, levels_of, steps))
    order = np.log(found[-2] / found[-1]) / np.log(steps[-1] / steps[-2])
    print(f"| {package} | {words} | {' '.join(f'{e:.1e}' for e in found)} | {order:.2f} |", flush=True)


print(VERSIONS)
print("| package | sampler | errors at 24, 48, 96, 192 levels | order |\n| --- | --- | --- | --- |")
steps = (24, 48, 96, 192)
for words, name, options in (
    ("dpmpp_2m", "dpmpp_2m", {}),
    ("dpmpp_3m_sde, eta 0", "dpmpp_3m_sde", {"eta": 0.0}),
    ("lms, order 4", "lms", {}),
    ("heun", "heun", {}),
):
    line("k-diffusion", words, by_k_diffusion(name, **options), edm_levels, steps)
for words, name, config in (
    ("DPM-Solver++ 2M", MULTI, {"solver_order": 2, **LAST}),
    ("DPM-Solver++ 3M", MULTI, {"solver_order": 3, **LAST}),
    ("DPM-Solver++ 3S", SINGLE, {"solver_order": 3, **LAST}),
    ("UniPC 2, bh2", "UniPCMultistepScheduler", {"solver_order": 2, **LAST}),
    ("UniPC 3, bh2", "UniPCMultistepScheduler", {"solver_order": 3, **LAST}),
    ("DEIS 3", "DEISMultistepScheduler", {"solver_order": 3, "lower_order_final": False}),
):
    line("diffusers", words, by_diffusers(name, **config), vp_levels, steps)
line("diffusers", "iPNDM", by_diffusers_ipndm, vp_levels, steps)
pndm = by_diffusers_betas("PNDMScheduler", skip_prk_steps=True)
line("diffusers", "PNDM", pndm, vp_levels, steps)

print("\nk-diffusion, one step to sigma = 0:")
for name in ("dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde"):
    sigmas = torch.tensor([1.0, 0.0])
    noise = {} if name == "dpmpp_2m" else {"noise_sampler": lambda *_: torch.zeros(())}
    try:
        x = getattr(K, f"sample_{name}")(denoiser, torch.tensor([[1.0, -1.0]]), sigmas, disable=True, **noise)
        print(f"  {name}: {x.numpy().ravel()}")
    except Exception as error:
        print(f"  {name}: {type(error).__name__}: {error}")

print("\nk-diffusion, dpm_adaptive: the sample (1, -1) 80, alone and beside seven others:")
points = torch.from_numpy(80 * np.concatenate([[[1.0, -1.0]], POINTS[:7]]))
for batch in (points[:1], points):
    x = K.sample_dpm_adaptive(denoiser, batch.clone(), 0.002, 80.0, disable=True)
    print(f"  {len(batch)} samples: {x[0].numpy()}")

print("\n| package | sampler | weak errors at 24, 48, 96, 192 levels | weak order |\n| --- | --- | --- | --- |")
# On data N(0.3, 0.5^2) every step is affine: the law at the end follows from the responses to the start and to the noise of each step.
mixture.WEIGHTS, mixture.MEANS, mixture.COVARIANCES = np.ones(1), np.full((1, 2), 0.3), 0.25 * np.eye(2)[None]
sde = {"algorithm_type": "sde-dpmsolver++", **LAST}


def deviation(level):
    return np.hypot(0.5 * level[0], level[1])


def weak_error(sampler, levels):
    """Of the standard deviation at the end."""
    count = len(levels) - 1
    start = np.full((count + 2, 2), 0.3 * levels[0][0])
    start[1] += deviation(levels[0])

    def noise(k):
        unit = np.zeros((count + 2, 2))
        unit[k + 2] = 1
        return unit

    end = sampler(levels, start, noise)[:, 0]
    return abs(np.sqrt(np.sum((end[1:] - end[0]) ** 2)) - deviation(levels[-1]))


for package, words, sampler, levels_of in (
    ("diffusers", "SDE-DPM-Solver++ 2M", by_diffusers(MULTI, solver_order=2, **sde), vp_levels),
    ("diffusers", "SDE-DPM-Solver++ 3M", by_diffusers(MULTI, solver_order=3, **sde), vp_levels),
    ("k-diffusion", "dpmpp_2m_sde", by_k_diffusion("dpmpp_2m_sde"), edm_levels),
    ("k-diffusion", "dpmpp_3m_sde", by_k_diffusion("dpmpp_3m_sde"), edm_levels),
):
    found = [weak_error(sampler, levels_of(count)) for count in steps]
    order = np.log2(found[-2] / found[-1])
    print(f"| {package} | {words} | {' '.join(f'{e:.1e}' for e in found)} | {order:.2f} |")
