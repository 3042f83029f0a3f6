"""Levels from noise to data, rows of alpha and sigma."""

import numpy as np
from scipy.optimize import brentq

BETA0, BETA1 = 0.1, 20.0


def vp(t):
    integral = BETA0 * t + 0.5 * (BETA1 - BETA0) * t * t
    return np.exp(-0.5 * integral), np.sqrt(-np.expm1(-integral))


def vp_levels(steps, epsilon=1e-3):
    """Even in ln(alpha / sigma) between t = 1 and epsilon."""

    def log_ratio(t):
        alpha, sigma = vp(t)
        return np.log(alpha / sigma)

    wanted = np.linspace(log_ratio(1), log_ratio(epsilon), steps + 1)
    times = [brentq(lambda t: log_ratio(t) - value, 1e-6, 1.1, xtol=1e-15) for value in wanted]
    return np.array([vp(t) for t in times])


def edm_levels(steps, least=0.002, most=80.0, rho=7.0):
    """Those of Karras et al. 2022, without the data at the end."""
    roots = np.linspace(most ** (1 / rho), least ** (1 / rho), steps + 1)
    return np.stack([np.ones(steps + 1), roots**rho], axis=1)
