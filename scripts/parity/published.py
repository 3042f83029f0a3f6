"""Writes test/fixtures/published.json: where the samplers of published packages end on a mixture, and their grids.

    python scripts/parity/published.py

needs what packages.py says. `npx ava .test-build/test/solvers/published.test.js` holds ours against it.
"""

import json
from pathlib import Path

import numpy as np

from cases import CASES
from levels import edm_levels, vp_levels
from packages import K, VERSIONS

START = np.array([[1.0, -1.0], [-0.3, 0.7]])
STEPS = 12  # of which one, two or three are a step of single-step solvers

cases = []
for package, words, ours, theirs, every, differs in CASES:
    levels = edm_levels(STEPS) if package == "k-diffusion" else vp_levels(STEPS)
    # Noise of variance alpha^2 + sigma^2 at the first level.
    start = START * np.hypot(*levels[0])
    end = theirs(levels, start.copy())
    cases.append(
        {
            "package": package,
            "sampler": words,
            "ours": ours,
            **({"differs": differs} if differs else {}),
            "levels": levels[::every].tolist(),
            "start": start.ravel().tolist(),
            "end": end.ravel().tolist(),
        }
    )

grids = [
    {"grid": "karras", "rho": 7, "sigmas": K.get_sigmas_karras(10, 0.002, 80.0, 7.0)[:-1].tolist()},
    {"grid": "karras", "rho": 3, "sigmas": K.get_sigmas_karras(10, 0.002, 80.0, 3.0)[:-1].tolist()},
    {"grid": "exponential", "sigmas": K.get_sigmas_exponential(10, 0.002, 80.0)[:-1].tolist()},
    {"grid": "polyexponential", "rho": 1, "sigmas": K.get_sigmas_polyexponential(10, 0.002, 80.0)[:-1].tolist()},
    {"grid": "polyexponential", "rho": 2, "sigmas": K.get_sigmas_polyexponential(10, 0.002, 80.0, 2.0)[:-1].tolist()},
]
path = Path(__file__).parents[2] / "test/fixtures/published.json"
path.write_text(json.dumps({"versions": VERSIONS, "grids": grids, "cases": cases}, indent=1) + "\n")
print(f"{len(cases)} samplers, {len(grids)} grids: {path.name}")
