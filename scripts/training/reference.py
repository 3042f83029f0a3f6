"""Makes the runs of test/support/training-reference.ts with PyTorch's autograd and AdamW: test/fixtures/training/{mlp,conv}.json.

    npx tsc -p tsconfig.json && python3 scripts/training/reference.py

The weights at the start, the noisy data and the targets are the same; scripts/training/feeds.mjs writes them. A tensor at the
end is kept as its norm and its inner product with cos(0), cos(1), ...
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import torch
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts" / "autodiff"))
import networks  # noqa: E402

FOLDER = ROOT / "test" / "fixtures" / "training"
STEPS, BATCHES, CLIPS = 20, {"mlp": 24, "conv": 20}, {"mlp": 0.3, "conv": 0.1}


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Conv2d(1, 6, 3, padding=1)
        self.time = nn.Linear(16, 6)
        self.down = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.out = nn.Conv2d(6, 1, 3, padding=1)

    def forward(self, x, t):
        h = F.silu(self.into(x) + self.time(networks.embed(t, 16))[:, :, None, None])
        h = h + F.interpolate(F.silu(self.down(h)), scale_factor=2, mode="nearest")
        return self.out(h)


def export_conv():
    torch.manual_seed(3)
    names = {"input_names": ["x", "t"], "output_names": ["score"], "dynamic_axes": {n: {0: "N"} for n in ("x", "t", "score")}}
    path = FOLDER / "conv.onnx"
    torch.onnx.export(Conv(), (torch.randn(2, 1, 8, 8), torch.rand(2)), path, opset_version=18, dynamo=False, **names)
    model = onnx.load(path)
    shape = ["N", 1, 8, 8]
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, shape))
    onnx.save(model, path)


def load(name):
    """The network with the weights of its ONNX file."""
    network = networks.Mlp(width=16) if name == "mlp" else Conv()
    path = ROOT / "test" / "fixtures" / "onnx" / "mlp.onnx" if name == "mlp" else FOLDER / "conv.onnx"
    weights = {each.name: torch.tensor(onnx.numpy_helper.to_array(each)) for each in onnx.load(path).graph.initializer}
    network.load_state_dict({key: weights[key] for key in network.state_dict()})
    return network


def feeds(name):
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        subprocess.run(["node", "scripts/training/feeds.mjs", name, file.name], cwd=ROOT, check=True)
        return {key: torch.tensor(value) for key, value in numpy.load(file.name).items()}


def learning_rate(step):
    cosine = (1 + math.cos(math.pi * min(1, max(0, step - 5) / 15))) / 2
    return 0.01 * min(1, step / 5) * cosine


def exponent(deviation):
    t = deviation**-2
    return max(root.real for root in numpy.roots([1, 7, 16 - t, 12 - t]) if abs(root.imag) < 1e-9)


DECAYS = [lambda n: min(0.999, (1 + n) / (10 + n)), lambda n: (1 - 1 / n) ** (exponent(0.1) + 1)]


def sketches(tensors):
    flat = {key: value.detach().double().reshape(-1).numpy() for key, value in tensors.items()}
    return {key: [float(numpy.linalg.norm(v)), float(v @ numpy.cos(numpy.arange(v.size)))] for key, v in flat.items()}


def make(name):
    network, data = load(name), feeds(name)
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)
    averages = [{key: value.detach().clone() for key, value in network.named_parameters()} for _ in DECAYS]
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        x, t, target = (data[f"{step}.{key}"] for key in ("x", "t", "target"))
        weight = data.get(f"{step}.weight", torch.ones(len(x)))
        loss = (weight * (network(x, t) - target).square().flatten(1).mean(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(network.parameters(), CLIPS[name]).item())
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        optimizer.step()
        losses.append(loss.item())
        for decay, average in zip(DECAYS, averages):
            for key, value in network.named_parameters():
                average[key].mul_(decay(step)).add_(value.detach(), alpha=1 - decay(step))
    result = {"losses": losses, "norms": norms, "averages": [sketches(average) for average in averages]}
    (FOLDER / f"{name}.json").write_text(json.dumps(result) + "\n")
    print(name, losses[0], losses[-1], norms[0], norms[-1])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    export_conv()
    for each in BATCHES:
        make(each)
