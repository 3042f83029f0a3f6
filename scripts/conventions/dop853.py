"""Writes test/fixtures/dop853.json: where SciPy's DOP853 leads the probability-flow ODE of the exact denoisers in test/fixtures/models, in double
precision and with tolerance 1e-12, from the noise at T to epsilon.

    python scripts/conventions/dop853.py > test/fixtures/dop853.json
"""

import json
import math

import numpy as np
from scipy.integrate import solve_ivp

PIXELS, SEED = 64, 853
# Pictures mean + common c + s z, c of deviation a for all pixels: signed and unsigned.
SIGNED, UNSIGNED = (-0.4, 0.3, 0.1), (0.3, 0.15, 0.05)


def vp(t):
    log_alpha, beta = -0.25 * t * t * 19.9 - 0.05 * t, 0.1 + 19.9 * t
    alpha = math.exp(log_alpha)
    return alpha, math.sqrt(-math.expm1(2 * log_alpha)), -beta / 2, beta


def ve(t):
    sigma = 0.01 * 5000**t
    return 1.0, sigma, 0.0, 2 * math.log(5000) * sigma**2


def edm(t):
    return 1.0, t, 0.0, 2 * t


def flow(t):
    return 1 - t, t, -1 / (1 - t), 2 * t / (1 - t)


def score(x, alpha, sigma, law):
    """Of alpha x_0 + sigma z: the mean of the pixels and what is beside it are independent."""
    mean, a, s = law
    apart = (alpha * s) ** 2 + sigma**2
    centred = x - alpha * mean
    common = centred.mean()
    return -(centred - common) / apart - common / (apart + PIXELS * (alpha * a) ** 2)


def run(file, options, process, law, T, epsilon):
    def slope(t, x):
        alpha, sigma, f, squared = process(t)
        return f * x - squared / 2 * score(x, alpha, sigma, law)

    start = np.random.default_rng(SEED).standard_normal(PIXELS) * process(T)[1]
    start = start.astype(np.float32).astype(np.float64)
    solution = solve_ivp(slope, (T, epsilon), start, method="DOP853", rtol=1e-12, atol=1e-13)
    rounded = lambda values, digits: [float(f"{value:.{digits}g}") for value in values]  # noqa: E731
    return dict(file=file, options=options, epsilon=epsilon, start=rounded(start, 9), end=rounded(solution.y[:, -1], 9))


if __name__ == "__main__":
    pictures = {"sde": "ve", "parameterization": "score", "labels": "sigma"}
    cases = [run(f"vp-{output}", {}, vp, SIGNED, 1.0, 1e-3) for output in ("eps", "v", "x0", "variance")]
    cases += [
        run("ve-score", pictures, ve, UNSIGNED, 1.0, 1e-3),
        run("edm", {}, edm, SIGNED, 80.0, 0.002),
        run("flow", {}, flow, SIGNED, 0.999, 1e-3),
    ]
    print(json.dumps(cases))
