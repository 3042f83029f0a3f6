"""Writes small networks of the conventions that people bring as ONNX, by the guide in docs/export.md, and what PyTorch and the schedulers
of diffusers and k-diffusion make of them.

    npm run build:ts
    pip install torch onnx onnxscript diffusers denoising-diffusion-pytorch azula torchcfm torchsde torchdiffeq
    pip install --no-deps k-diffusion dctorch
    python scripts/conventions/export.py [--keep] FOLDER [file ...]
    npx tsc -p tsconfig.json && node scripts/conventions/table.mjs FOLDER
"""

import argparse
import contextlib
import io
import json
import math
import os
import traceback
import types
import zlib

import numpy as np
import onnx
import torch

import guide
import networks
import processes
import steps
from rows import ROWS


class Reading:
    """A network as its convention reads it: x [N, ...] at a level, in double precision around a network of single precision."""

    def __init__(self, row, network, call, inputs):
        self.row, self.network, self.call = row, network, call
        (_, _), (_, self.time), *self.others = inputs.items()
        self.known = None  # the last estimate of x_0, which a self-conditioned network is fed on its way

    def raw(self, x, level):
        """F as a tensor, for x a tensor of float32."""
        value = torch.tensor(self.row.process.label(level), dtype=torch.float64).to(self.time.dtype)
        times = value if self.time.dim() == 0 else value.expand(len(x))
        others = [each[:1].expand(len(x), *each.shape[1:]) for _, each in self.others]
        if self.known is not None:
            others = [self.known]
        return self.call(self.network, x, times, *others)

    def whole(self, x, level):
        return self.raw(torch.from_numpy(np.asarray(x, np.float32)), level).double().numpy()

    def F(self, x, level):
        """Without a learned variance."""
        out = self.whole(x, level)
        if self.row.self_conditioned:
            self.remember(torch.from_numpy(np.asarray(x, np.float64)), torch.from_numpy(out), level)
        return out[:, : self.row.shape[0]]

    def remember(self, x, F, level):
        x0, _ = processes.parts(F[:, : self.row.shape[0]], x, *self.row.process.at(level), self.row.output)
        self.known = x0.float()

    def parts(self, x, level):
        """x_0 and z, for tensors, so that they can be differentiated."""
        alpha, sigma = self.row.process.at(level)
        if self.row.output == "edm":
            data = self.row.data
            root = math.sqrt(data**2 + (sigma / alpha) ** 2)
            F = self.raw((x / (alpha * root)).float(), level).double()
            x0 = data**2 / root**2 * x / alpha + sigma / alpha * data / root * F
            return processes.parts(x0, x, alpha, sigma, "x0")
        F = self.raw(x.float(), level).double()[:, : self.row.shape[0]]
        return processes.parts(F, x, alpha, sigma, self.row.output)

    def parts_of(self, x, level):
        if self.row.self_conditioned:
            x = np.asarray(x, np.float64)
            return processes.parts(self.F(x, level), x, *self.row.process.at(level), self.row.output)
        return [None if part is None else part.numpy() for part in self.parts(torch.from_numpy(np.asarray(x, np.float64)), level)]

    def score(self, x, level):
        return -self.parts(x, level)[1] / self.row.process.at(level)[1]

    def score_of(self, x, level):
        return self.score(torch.from_numpy(np.asarray(x, np.float64)), level).numpy()

    def denoised(self, x, sigma):
        """D(x, sigma), where alpha is 1 and sigma the level."""
        return self.parts_of(x, sigma)[0]


def numbers(array):
    return [float(f"{value:.9g}") for value in np.asarray(array).ravel()]


def expectations(row, reading):
    process, shape = row.process, row.shape
    random = np.random.default_rng(1)
    levels = process.levels
    data, z, v = (random.standard_normal((len(levels), *shape)) for _ in range(3))
    x = np.stack([process.at(level)[0] * 0.5 * d + process.at(level)[1] * n for level, d, n in zip(levels, data, z)])
    x = x.astype(np.float32).astype(np.float64)
    scores, products = [], []
    for i, level in enumerate(levels):
        with torch.enable_grad():
            leaf = torch.from_numpy(x[i : i + 1]).requires_grad_()
            score = reading.score(leaf, level)
            (product,) = torch.autograd.grad(score, leaf, torch.from_numpy(v[i : i + 1].astype(np.float32).astype(np.float64)))
        scores.append(score.detach().numpy()), products.append(product.numpy())
    out = dict(levels=levels, x=numbers(x), v=numbers(v), score=numbers(scores), vjp=numbers(products), runs=[])

    def add(kind, what, options, end):
        reading.known = None
        out["runs"].append(dict(kind=kind, what=what, options=options, end=numbers(end)))

    start = steps.drawn(shape)[0].astype(np.float64) * process.prior
    if isinstance(process, processes.Discrete):
        few = steps.even_in_lambda(process, 20)
        walked = dict(solver="ddim", steps=20, grid="uniform-lambda")
        add("trajectory", "DDIM", walked, processes.ddim(process, reading.parts_of, start, few))
    elif row.smooth:
        flow = dict(solver="rk4", grid=process.times, denoise="none")
        add("trajectory", "probability flow", flow, processes.flow_of_probability(process, reading.score_of, start, process.times))
    walk = dict(steps=steps.STEPS, denoise="none")
    if isinstance(process, processes.Flow):
        sign = -1 if row.output == "reversed-flow" else 1
        velocity = lambda x, t: sign * reading.F(x, t)
        for shift, grid in ((1, dict(grid="uniform-t")), (3, dict(grid="shifted", rho=3))):
            last = process.epsilon / (shift - (shift - 1) * process.epsilon)
            times = [shift * u / (1 + (shift - 1) * u) for u in np.linspace(1, last, steps.STEPS + 1).tolist()]
            add("steps", f"FlowMatchEuler, shift {shift}", dict(walk, solver="ddim", **grid), steps.flow_euler(velocity, shape, times))
    elif isinstance(process, processes.EDM):
        sigmas = steps.K.get_sigmas_karras(steps.STEPS + 1, process.epsilon, process.T).double().numpy()[:-1]
        for name, solver in (("euler", "ddim"), ("dpmpp_2m", dict(name="dpmpp-2m", lowerOrderFinal=False))):
            end = steps.by_k_diffusion(process, name, reading.denoised, shape, sigmas)
            kind = "steps" if row.smooth or name != "euler" else "trajectory"
            add(kind, name, dict(walk, solver=solver, grid="karras"), end)
    elif type(process) is processes.Discrete:
        ladder = dict(steps=steps.STEPS)
        made = (process, row.output, reading.F, shape)
        fixed = dict(ladder, solver=dict(name="ancestral", variance="fixedsmall"))
        add("steps", "DDPM", fixed, steps.ddpm(*made))
        if row.learned:
            learned = dict(ladder, solver=dict(name="ancestral", variance="learned"))
            end = steps.ddpm(process, row.output, reading.whole, shape, learned=True)
            add("steps", "DDPM, learned variance", learned, end)
        add("steps", "DDIM", dict(ladder, solver="ddim", grid="uniform-lambda"), steps.ddim(*made))
        if process.squares[-1] > 0:
            add("steps", "DPM-Solver++", dict(ladder, solver="dpmpp-2m", grid="uniform-lambda"), steps.dpm_solver(*made))
    return out


def write(row, keep=False):
    """Writes the network, and beside it what is expected of it."""
    generator = torch.Generator().manual_seed(3)
    seed = zlib.crc32(row.file.encode())
    torch.manual_seed(seed)
    given = types.SimpleNamespace(
        x=torch.randn(2, *row.shape, generator=generator),
        index=torch.tensor([10, 500]),
        time=torch.tensor([0.1, 0.5]),
        double=torch.tensor([0.1, 0.5], dtype=torch.float64),
    )
    made = row.make(given)
    for part in made.values():
        # denoising-diffusion-pytorch's model lies in its diffusion.
        module = part.model if isinstance(part, types.SimpleNamespace) else part
        if isinstance(module, torch.nn.Module):
            networks.randomise(module, seed)
    kept = []

    def export(path, network, call, **inputs):
        kept.append((network, call, inputs))
        if keep and os.path.exists(path):
            return
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            guide.NAMES["export"](path, network, call, dynamo=row.dynamo, **inputs)

    if "call" in made:
        export(row.file, made["network"], made["call"], **made["inputs"])
    else:
        guide.run(row.file, {**vars(given), **made}, export)
    for name, value in row.files.items():
        np.save(name, value.numpy())
    if row.metadata:
        model = onnx.load(row.file)
        onnx.helper.set_model_props(model, row.metadata)
        onnx.save(model, row.file)
    network, call, inputs = kept[0]
    reading = Reading(row, network, made.get("truth", call), inputs)
    expected = dict(
        number=row.number, network=row.network, where=row.where, file=row.file, flags=guide.FLAGS.get(row.file, row.flags),
        exporter="dynamo" if row.dynamo else "older", shape=row.shape, label=row.label,
        discrete=isinstance(row.process, processes.Discrete), **expectations(row, reading),
    )  # fmt: skip
    with open(row.file + ".json", "w") as out:
        json.dump(expected, out, allow_nan=False)
        out.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("files", nargs="*", help="of the table; default all")
    parser.add_argument("--keep", action="store_true", help="take networks that are there, and write only what is expected of them")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    os.chdir(options.folder)
    torch.set_num_threads(1)
    known = [row.file for row in ROWS]
    assert set(options.files) <= set(known), f"files are {known}"
    failed = []
    for row in ROWS:
        if options.files and row.file not in options.files:
            continue
        try:
            write(row, options.keep)
        except Exception:
            failed.append(row.file)
            traceback.print_exc()
            continue
        print(row.number, row.file, f"{os.path.getsize(row.file) / 1e3:.0f} kB", flush=True)
    if os.path.exists("unet.onnx.json"):
        guide.run_last()
        with open("unet.onnx.json") as expected, open("unet-metadata.onnx.json", "w") as out:
            json.dump({**json.load(expected), "number": "", "file": "unet-metadata.onnx", "flags": None}, out)
    if failed:
        raise SystemExit(f"not written: {', '.join(failed)}")


if __name__ == "__main__":
    main()
