"""Forward processes x_t = alpha x_0 + sigma z in double precision, and what their networks' outputs mean. Written from the papers."""

import math

import numpy as np
import torch

torch.set_grad_enabled(False)


class Continuous:
    """alpha and sigma as functions of a time in (0, T], of which f and g follow by automatic differentiation."""

    def __init__(self, alpha, sigma, T=1.0, epsilon=1e-3, prior=None):
        self._alpha, self._sigma, self.T, self.epsilon = alpha, sigma, T, epsilon
        self.prior = self.at(T)[1] if prior is None else prior
        self.levels = [T * share for share in (0.05, 0.4, 0.9)]
        self.times = np.linspace(T, epsilon, 25).tolist()

    def at(self, t):
        t = torch.tensor(t, dtype=torch.float64)
        return float(self._alpha(t)), float(self._sigma(t))

    def label(self, t):
        return t

    def drift_and_diffusion(self, t):
        """f = (ln alpha)' and g^2 = (sigma^2)' - 2 f sigma^2."""
        with torch.enable_grad():
            t = torch.tensor(t, dtype=torch.float64, requires_grad=True)
            logarithm, variance = torch.log(self._alpha(t)) + 0 * t, self._sigma(t) ** 2
            (f,), (slope,) = torch.autograd.grad(logarithm, t), torch.autograd.grad(variance, t)
        return float(f), float(slope - 2 * f * variance)


class Discrete:
    """The levels of a chain by alpha^2, falling."""

    def __init__(self, squares):
        self.squares = np.asarray(squares, dtype=np.float64)
        self.count, self.prior = len(self.squares), 1.0
        self.levels = [self.count // 50, self.count // 2, self.count - 100]

    def at(self, index):
        return math.sqrt(self.squares[index]), math.sqrt(1 - self.squares[index])

    def label(self, index):
        return index


class Geometric(Discrete):
    """NCSNv2: levels of VE, 0 = least noise; networks count from the most."""

    def __init__(self, count, least, most):
        self.sigmas = np.exp(np.linspace(math.log(least), math.log(most), count))
        self.count, self.prior = count, most
        self.levels = [5, count // 2, count - 10]

    def at(self, index):
        return 1.0, self.sigmas[index]

    def label(self, index):
        return self.count - 1 - index


def chain(betas):
    return Discrete(np.cumprod(1 - np.asarray(betas, dtype=np.float64)))


def linear():
    return chain(np.linspace(1e-4, 0.02, 1000))


def scaled_linear():
    return chain(np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


def zero_terminal(process):
    """Lin et al. 2023, algorithm 1."""
    root = np.sqrt(process.squares)
    return Discrete(((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2)


def cosine():
    bar = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return chain([min(1 - bar((i + 1) / 1000) / bar(i / 1000), 0.999) for i in range(1000)])


def sigmoid():
    """denoising-diffusion-pytorch's, in double precision."""
    value = lambda v: 1 / (1 + np.exp(-v))
    bar = value(3.0) - value(np.linspace(0, 1, 1001) * 6 - 3)
    bar = bar / bar[0]
    return chain(np.clip(1 - bar[1:] / bar[:-1], 0, 0.999))


class VP(Continuous):
    def __init__(self):
        log = lambda t: -0.25 * t**2 * 19.9 - 0.5 * t * 0.1
        super().__init__(lambda t: torch.exp(log(t)), lambda t: torch.sqrt(-torch.expm1(2 * log(t))), prior=1.0)

    def label(self, t):
        return 999 * t


class DpmSolver(VP):
    """Lu et al. 2022: continuous times for a network of 1000 levels."""

    def label(self, t):
        return 1000 * (t - 1 / 1000)


class SubVP(VP):
    def __init__(self):
        super().__init__()
        self._sigma = lambda t: 1 - self._alpha(t) ** 2


class VE(Continuous):
    def __init__(self, least=0.01, most=50.0, by_time=False, levels=None):
        sigma = lambda t: least * (most / least) ** t
        super().__init__(torch.ones_like, sigma, epsilon=1e-5)
        self._by_time = by_time
        self.levels = levels or self.levels

    def label(self, t):
        return t if self._by_time else self.at(t)[1]


class EDM(Continuous):
    def __init__(self):
        super().__init__(torch.ones_like, lambda t: t, T=80.0, epsilon=0.002)
        self.levels = [0.1, 1.0, 20.0]
        self.times = np.geomspace(80, 0.002, 25).tolist()


class CNoise(EDM):
    def label(self, t):
        return math.log(t) / 4


class Flow(Continuous):
    """Rectified flow, and flow matching along straight ways; `factor` and `reverse` say what the network takes as its time."""

    def __init__(self, factor=1.0, reverse=False, T=1.0):
        super().__init__(lambda t: 1 - t, lambda t: t, T=T)
        self._factor, self._reverse = factor, reverse

    def label(self, t):
        return self._factor * (1 - t if self._reverse else t)


class Schedule(Continuous):
    """A schedule of azula, which gives alpha and sigma."""

    def __init__(self, schedule, **options):
        super().__init__(schedule.alpha, schedule.sigma, **options)


def parts(F, x, alpha, sigma, output):
    """x_0 and z of x = alpha x_0 + sigma z, by what the output means."""
    if output == "x0":
        return F, (x - alpha * F) / sigma
    if output == "v":  # alpha z - sigma x_0, where alpha^2 + sigma^2 = 1
        return alpha * x - sigma * F, sigma * x + alpha * F
    if output == "flow":  # z - x_0, where alpha + sigma = 1
        return x - sigma * F, x + alpha * F
    if output == "reversed-flow":
        return x + sigma * F, x - alpha * F
    z = {"eps": F, "score": -sigma * F}[output]
    return (x - sigma * z) / alpha if alpha else None, z


def flow_of_probability(process, score_of, x, times):
    """x carried along the probability-flow ODE by the classical Runge-Kutta method with these steps."""

    def slope(t, x):
        f, square = process.drift_and_diffusion(t)
        return f * x - square / 2 * score_of(x, t)

    for t, after in zip(times, times[1:]):
        h = after - t
        k1 = slope(t, x)
        k2 = slope(t + h / 2, x + h / 2 * k1)
        k3 = slope(t + h / 2, x + h / 2 * k2)
        k4 = slope(after, x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


def ddim(process, parts_of, x, levels):
    """Song et al. 2020, equation 12 with sigma_t = 0: through the levels and then to the data."""
    for level, after in zip(levels, [*levels[1:], None]):
        alpha, sigma = (1.0, 0.0) if after is None else process.at(after)
        x0, z = parts_of(x, level)
        x = alpha * x0 + sigma * z
    return x
