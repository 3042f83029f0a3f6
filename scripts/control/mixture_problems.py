"""Holds `fastsde restore` against exact posteriors: the problems of MCGdiff (Cardoso et al. 2023), a mixture of 25 Gaussians in d
dimensions, of which the images of a random matrix are measured with noise. Prints the sliced Wasserstein-1 distance of samples from the
posterior, mean +- 1.96 standard errors over the problems; "exact" is that of as many exact samples. The published code, on the same
problems: --published DIR, a checkout of github.com/gabrielvc/mcg_diff (needs torch); "systematic" is the same with other draws of ancestors, "even" also
with steps even in the logarithm of the noise.

    python3 scripts/control/mixture_problems.py --d 8 80 800 --measured 1 2 4 --problems 20 --count 200
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLI = Path(__file__).resolve().parents[2] / "dist" / "cli.js"
STEPS = ["--steps", "100", "--grid", "uniform-lambda"]
CORRECTED = ["--predictor", "reverse-diffusion", "--corrector", "ald"]
METHODS = {
    "smc 8": ["--method", "smc", "--particles", "8", *STEPS],
    "smc 32": ["--method", "smc", "--particles", "32", *STEPS],
    "smc 128": ["--method", "smc", "--particles", "128", *STEPS],
    "mmps": ["--method", "mmps", "--iterations", "4", "--solver", "dpmpp-2m-sde", *STEPS],
    "pigdm": ["--method", "pigdm", "--solver", "dpmpp-2m-sde", *STEPS],
    "dps": ["--method", "dps", *STEPS],
    "replacement": ["--method", "replacement", *CORRECTED, *STEPS],
}
# Particles of a sample, and what differs from the published code.
PUBLISHED = {
    "MCGdiff 32": (32, False, False),
    "MCGdiff 128": (128, False, False),
    "MCGdiff 32 systematic": (32, True, False),
    "MCGdiff 32 systematic even": (32, True, True),
}


class Problem:
    """A prior, a measurement y = A x + noise z of a sample of it, and the posterior, by the formulas of conjugate normals."""

    def __init__(self, d, measured, seed):
        random = np.random.default_rng([seed, d, measured])
        self.d = d
        grid = [(-8.0 * i, -8.0 * j) for i in range(-2, 3) for j in range(-2, 3)]
        self.means = np.array([np.resize(pair, d) for pair in grid])
        weights = random.normal(size=25) ** 2
        self.weights = weights / weights.sum()
        U, _, V = np.linalg.svd(random.normal(size=(measured, d)), full_matrices=False)
        s = np.sort(random.uniform(size=measured))[::-1]
        self.A = U @ np.diag(s) @ V
        self.noise = random.uniform() * s[0]
        x = self.means[random.choice(25, p=self.weights)] + random.normal(size=d)
        self.y = self.A @ x + self.noise * random.normal(size=measured)
        # Components have covariance I, so that all have one posterior covariance, diagonal along the singular vectors.
        self.V = V
        self.gain = s / (s**2 + self.noise**2)
        self.residuals = (self.y - self.means @ self.A.T) @ U
        log = np.log(self.weights) - (self.residuals**2 / (s**2 + self.noise**2)).sum(1) / 2
        self.posterior = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
        self.shrink = self.noise / np.sqrt(s**2 + self.noise**2)
        directions = random.normal(size=(100, d))
        self.directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def exact(self, count, seed):
        random = np.random.default_rng(seed)
        k = random.choice(25, size=count, p=self.posterior)
        z = random.normal(size=(count, self.d))
        z += (z @ self.V.T * (self.shrink - 1)) @ self.V
        return self.means[k] + (self.residuals[k] * self.gain) @ self.V + z

    def distance(self, samples):
        """The mean over directions of the distance of quantile functions."""
        reference = np.sort(self.exact(20_000, 1) @ self.directions.T, axis=0)
        own = np.sort(samples @ self.directions.T, axis=0)
        at = (np.arange(len(reference)) * len(own)) // len(reference)
        return np.abs(own[at] - reference).mean()


def restored(problem, options, count, seed):
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: str(Path(folder) / name)
        mixture = {"weights": problem.weights.tolist(), "means": problem.means.tolist(), "covariances": [1] * 25}
        Path(at("m.json")).write_text(json.dumps(mixture))
        np.save(at("A.npy"), problem.A)
        np.save(at("y.npy"), problem.y[None])
        particles = int(options[options.index("--particles") + 1]) if "--particles" in options else 1
        batch = max(particles, min(count * particles, 2**21 // problem.d))
        command = ["node", str(CLI), "restore", "--mixture", at("m.json"), "--data", at("y.npy")]
        command += ["--operator", at("A.npy"), "--noise", str(problem.noise), "--count", str(count)]
        command += ["--batch", str(batch), "--seed", str(seed), *options, "--output", at("x.npy"), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return np.load(at("x.npy"))[0].astype(float)


def published(folder, particles, systematic, even):
    """The published sampler with the options of its own example: 100 steps at levels adapted to the problem; one sample of a system."""
    sys.path.insert(0, folder)
    import mcg_diff.particle_filter as filter
    import torch
    from mcg_diff.sgm import ScoreModel
    from mcg_diff.utils import NetReparametrized, build_extended_svd, get_optimal_timesteps_from_singular_values, get_taus_from_singular_values

    class Systematic:
        """Ancestors by one uniform number, in the place of independent ones."""

        def __init__(self, logits, validate_args):
            self.sums = torch.softmax(logits, -1).cumsum(-1)

        def sample(self, shape):
            at = (torch.arange(*shape) + torch.rand(1)) / shape[0]
            return (self.sums[None, :] < at[:, None]).sum(1).clamp(max=len(self.sums) - 1)

    torch.set_num_threads(1)
    betas = torch.linspace(0.02, 1e-4, steps=999)
    alphas = torch.cumprod(torch.cat([torch.ones(1), 1 - betas]), 0)
    ratios = ((1 - alphas) / alphas) ** 0.5

    def evenly(s, variance):
        wanted = torch.logspace(ratios[1].log10(), ratios[-1].log10(), 99)
        nearest = (ratios[None, :] - wanted[:, None]).abs().argmin(1)
        reached = get_taus_from_singular_values(alphas, torch.arange(1000), s, variance)[0]
        return torch.cat([torch.zeros(1, dtype=torch.long), nearest, reached]).unique()

    def draw(problem, _, count, seed):
        torch.manual_seed(seed)
        A, y = torch.tensor(problem.A).float(), torch.tensor(problem.y).float()
        means, weights = torch.tensor(problem.means).float(), torch.tensor(problem.weights).float()
        u, s, mask, v = build_extended_svd(A)
        variance = torch.tensor(problem.noise**2).float()

        def eps(x, t):
            # -sqrt(1 - alpha) times the score of a mixture whose components have covariance I at every level.
            centres = alphas[t] ** 0.5 * means
            logits = x @ centres.T - (centres**2).sum(1) / 2 + weights.log()
            return (1 - alphas[t]) ** 0.5 * (x - logits.softmax(1) @ centres)

        model = ScoreModel(NetReparametrized(eps, v), alphas, "cpu")
        own = get_optimal_timesteps_from_singular_values(alphas, s, 100, variance, mode="else")
        steps = evenly(s, variance) if even else own
        filter.Categorical = Systematic if systematic else torch.distributions.Categorical

        def system(start):
            x, log = filter.mcg_diff(start, u.T @ y, model, mask.bool(), steps, s, variance, eta=1, gaussian_var=1e-8)
            return v.T @ x[torch.distributions.Categorical(logits=log, validate_args=False).sample((1,))][0]

        size = max(1, 2**21 // (particles * problem.d))
        parts = [min(size, count - done) for done in range(0, count, size)]
        run = torch.func.vmap(system, randomness="different")
        return torch.cat([run(torch.randn(n, particles, problem.d)) for n in parts]).double().numpy()

    return draw


def shown(values):
    error = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.2f} +- {error:.2f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--d", type=int, nargs="+", default=[8])
    parser.add_argument("--measured", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=[*METHODS, *PUBLISHED])
    parser.add_argument("--published", help="a checkout of mcg_diff, for the methods MCGdiff")
    options = parser.parse_args()
    draws = {
        name: (restored, METHODS[name]) if name in METHODS else (published(options.published, *PUBLISHED[name]), None)
        for name in options.methods
    }
    cells = [(d, measured) for d in options.d for measured in options.measured]
    print("| method |", " | ".join(f"{measured} of {d}" for d, measured in cells), "|", flush=True)
    print("| --- |", " --- |" * len(cells), flush=True)
    problems = {cell: [Problem(*cell, k) for k in range(options.problems)] for cell in cells}
    for name, (draw, given) in {"exact": (lambda p, _, n, seed: p.exact(n, seed + 2), None), **draws}.items():
        row = []
        for cell in cells:
            samples = [draw(p, given, options.count, k) for k, p in enumerate(problems[cell])]
            row.append(shown([p.distance(x) for p, x in zip(problems[cell], samples)]))
        print(f"| {name} |", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
