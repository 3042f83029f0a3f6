"""Writes test/fixtures/conventions: a network of a few weights for every reading, and what PyTorch and diffusers make of it.

    python scripts/conventions/fixtures.py [file ...]        # needs what export.py says
"""

import math
import os
import sys
from pathlib import Path

import export
import processes as p
import torch
from rows import Row, bounded

SHAPE = (2, 4, 4)
TEXT = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(7))


class Small(torch.nn.Module):
    def __init__(self, extra=0, outputs=2, scale=1.0, sigma=None):
        super().__init__()
        self.scale, self.sigma = scale, sigma
        self.stem, self.head = torch.nn.Conv2d(2, 8, 3, padding=1), torch.nn.Conv2d(8, outputs, 3, padding=1)
        self.embed = torch.nn.Linear(2 + extra, 8)

    def forward(self, x, t, *others):
        sigma = 1 if self.sigma is None else self.sigma(t)[:, None, None, None]
        t = t.float() * self.scale
        c = torch.cat([torch.stack([t.sin(), t.cos()], 1), *[each.flatten(1) for each in others]], 1)
        return self.head(torch.nn.functional.silu(self.stem(x) + self.embed(c)[:, :, None, None])) / sigma


def fixture(file, process, output, flags, time="time", others=None, label=None, files=None, learned=False, self_conditioned=False, **options):
    def make(v):
        inputs = {"x": v.x, "t": getattr(v, time)} | (others or {})
        network = Small(sum(each[0].numel() for each in (others or {}).values()), **options)
        call = lambda n, *inputs: bounded(n(*inputs)) if learned else n(*inputs)
        return dict(network=network, call=call, inputs=inputs)

    return Row("", "", "", file, process, output, make, flags, shape=SHAPE, dynamo=False, label=label, files=files or {}, learned=learned, self_conditioned=self_conditioned)


FIXTURES = [
    fixture("eps-index.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", "index"),
    fixture("eps-cosine.onnx", p.cosine(), "eps", "--sde vp --parameterization eps --labels index --ladder cosine", "index"),
    fixture("eps-scaled-linear.onnx", p.scaled_linear(), "eps", "--sde vp --parameterization eps --labels index --ladder scaled-linear", "index"),
    fixture("v-sigmoid.onnx", p.sigmoid(), "v", "--sde vp --parameterization v --labels index --ladder sigmoid", "index"),
    fixture("eps-vp.onnx", p.VP(), "eps", "--sde vp --parameterization eps --labels 't*999'", scale=0.01),
    fixture("eps-subvp.onnx", p.SubVP(), "eps", "--sde subvp --parameterization eps --labels 't*999'", scale=0.01),
    fixture("score-sigma.onnx", p.VE(), "score", "--sde ve --sde-constants sigmaMax=50 --parameterization score --labels sigma", scale=0.1, sigma=lambda sigma: sigma),
    fixture("score-reversed.onnx", p.Geometric(232, 0.01, 50), "score", "--sde ve --sde-constants sigmaMax=50 --parameterization score --labels reversed-index --trained-levels 232", "index", sigma=lambda y: torch.exp((231 - y.float()) / 231 * math.log(5000)) / 100),
    fixture("x0-sigma.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", scale=0.1),
    fixture("edm-raw.onnx", p.CNoise(), "edm", "--sde edm --parameterization edm"),
    fixture("flow.onnx", p.Flow(T=0.999), "flow", "--sde flow --parameterization flow --labels t"),
    fixture("reversed-flow.onnx", p.Flow(reverse=True, T=0.999), "reversed-flow", "--sde flow --parameterization reversed-flow --labels 1-t"),
    fixture("x0-one-hot.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", others={"class_labels": torch.eye(5)[[3, 3]]}, label=3, scale=0.1),
    fixture("eps-learned.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", "index", learned=True, outputs=4),
    fixture("eps-self.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", "index", others={"x_self_cond": torch.zeros(2, *SHAPE)}, self_conditioned=True),
    fixture("v-text.onnx", p.zero_terminal(p.scaled_linear()), "v", "--sde vp --parameterization v --labels index --ladder scaled-linear --zero-terminal-snr --input text=text.npy", "index", others={"text": TEXT.expand(2, -1, -1)}, files={"text.npy": TEXT}),
    fixture("x0-double.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", "double", scale=0.1),
]  # fmt: skip


def main():
    folder = Path(__file__).parents[2] / "test/fixtures/conventions"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    for row in FIXTURES:
        if sys.argv[1:] and row.file not in sys.argv[1:]:
            continue
        export.write(row)
        print(row.file, os.path.getsize(row.file), os.path.getsize(row.file + ".json"))


if __name__ == "__main__":
    main()
