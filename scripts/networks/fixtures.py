"""Writes what PyTorch makes of the networks that test/networks/pytorch.test.ts builds: test/fixtures/networks.json.

    python3 scripts/networks/fixtures.py

Tensor j has the weights offset + amplitude sin(i + 7 j), i = 0, 1, ..., so that no weights are kept; dropout mask
j is 0 at every element i with (i + j) divisible by 4. A gradient g is kept as its norm and its inner product with
cos(0), cos(1), ...
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

FILE = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "networks.json"
GROUPS = 8


def space_to_depth(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def depth_to_space(x):
    n, c, h, w = x.shape
    return x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // 4, 2 * h, 2 * w)


class Embedding(nn.Module):
    def __init__(self, width, labels):
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(math.log(0.5), math.log(50), 16, dtype=torch.float64)))
        self.first, self.second = nn.Linear(32, width), nn.Linear(width, width)
        self.table = nn.Embedding(labels, width) if labels else None

    def forward(self, noise, label):
        angles = noise[:, None] * self.frequencies
        h = self.first(torch.cat([angles.sin(), angles.cos()], 1))
        if label is not None:
            h = h + (label @ self.table.weight if label.is_floating_point() else self.table(label))
        return F.silu(self.second(F.silu(h)))

    def names(self):
        yield from [("embed.0", self.first), ("embed.1", self.second)]
        if self.table is not None:
            yield "embed.class", self.table


class Mlp(nn.Module):
    def __init__(self, d, outputs):
        super().__init__()
        self.residual, width, depth = d["residual"], d["width"], d["depth"]
        self.modulation = nn.Linear(d["embedding"], width * depth)
        self.stem, self.head = nn.Linear(d["shape"][0], width), nn.Linear(width, outputs)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x, embedding, mask):
        h = self.stem(x)
        for i, (layer, shift) in enumerate(zip(self.hidden, self.modulation(embedding).chunk(len(self.hidden), 1))):
            new = mask(f"hidden.{i}", F.silu(layer(h) + shift))
            h = h + new if self.residual else new
        return self.head(h)

    def names(self):
        yield from [("modulation", self.modulation), ("stem", self.stem), ("head", self.head)]
        yield from [(f"hidden.{i}", layer) for i, layer in enumerate(self.hidden)]


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, c), nn.GroupNorm(GROUPS, c)
        self.conv1, self.conv2 = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, scale, shift, mask, name):
        h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        return x + self.conv2(mask(name, F.silu(h)))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.qkv, self.out = nn.GroupNorm(GROUPS, c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, 2)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(x.shape))


class Convolutional(nn.Module):
    """The U-Net, or where classes are given its way down with a linear head."""

    def __init__(self, d, classes=None):
        super().__init__()
        channels, self.stem_size = d["channels"], d["stem"]
        colours, levels = d["shape"][0] * d["stem"] ** 2, len(channels)
        self.parts = nn.ModuleDict()
        self.path, widths = [], []

        def add(kind, name, module):
            self.parts[name.replace(".", "/")] = module
            self.path.append((kind, name))

        def level(side, i):
            for b in range(d["blocks"][i]):
                add("block", f"{side}.{i}.{b}", Block(channels[i]))
                widths.append(channels[i])
                if b == 0 and i in d["attention"]:
                    add("attention", f"{side}.{i}.attention", Attention(channels[i]))

        add("layer", "stem", nn.Conv2d(colours, channels[0], 3, padding=1))
        for i in range(levels):
            if i > 0:
                self.path.append(("push", ""))
                add("layer", f"down.{i - 1}", nn.Conv2d(channels[i - 1], channels[i], 3, stride=2, padding=1))
            level("encoder", i)
        if classes is None:
            for i in reversed(range(levels - 1)):
                add("up", f"up.{i}", nn.Conv2d(channels[i + 1], 4 * channels[i], 1))
                add("merge", f"merge.{i}", nn.Conv2d(2 * channels[i], channels[i], 1))
                level("decoder", i)
        last = channels[-1] if classes else channels[0]
        self.norm = nn.GroupNorm(GROUPS, last)
        self.head = nn.Linear(last, classes) if classes else nn.Conv2d(last, colours, 3, padding=1)
        self.widths = widths
        self.modulation = nn.Linear(d["embedding"], 2 * sum(widths))

    def forward(self, x, embedding, mask):
        parts = iter(self.modulation(embedding).split([w for width in self.widths for w in (width, width)], 1))
        h, skips = space_to_depth(x) if self.stem_size == 2 else x, []
        for kind, name in self.path:
            module = self.parts[name.replace(".", "/")] if name else None
            if kind == "push":
                skips.append(h)
            elif kind == "block":
                h = module(h, next(parts), next(parts), mask, name)
            elif kind == "up":
                h = depth_to_space(module(h))
            elif kind == "merge":
                h = module(torch.cat([h, skips.pop()], 1))
            else:
                h = module(h)
        h = F.silu(self.norm(h))
        if isinstance(self.head, nn.Linear):
            return self.head(h.mean((2, 3)))
        return depth_to_space(self.head(h)) if self.stem_size == 2 else self.head(h)

    def names(self):
        yield from [("modulation", self.modulation), ("norm", self.norm), ("head", self.head)]
        for key, module in self.parts.items():
            name = key.replace("/", ".")
            if isinstance(module, (Block, Attention)):
                yield from [(f"{name}.{part}", layer) for part, layer in module.named_children()]
            else:
                yield name, module


def marginal(d, t):
    """alpha, sigma and the label at times (or levels) t."""
    c = d.get("constants", {})
    beta0, beta1, low, high = c.get("beta0", 0.1), c.get("beta1", 20), c.get("sigmaMin", 0.01), c.get("sigmaMax", 50)
    if d["labels"] == "index":
        betas = torch.linspace(beta0 / d["trainedLevels"], beta1 / d["trainedLevels"], d["trainedLevels"], dtype=torch.float64)
        alpha = (1 - betas).cumprod(0).sqrt()[t.long()]
        return alpha, (1 - alpha**2).sqrt(), t
    if d["labels"] == "reversed-index":
        sigma = low * (high / low) ** (t / (d["trainedLevels"] - 1))
        return torch.ones_like(t), sigma, d["trainedLevels"] - 1 - t
    if d["sde"] in ("ve", "edm"):
        sigma = t if d["sde"] == "edm" else low * (high / low) ** t
        alpha = torch.ones_like(t)
    else:
        integral = beta0 * t + (beta1 - beta0) * t**2 / 2
        alpha, spent = torch.exp(-integral / 2), 1 - torch.exp(-integral)
        sigma = spent.sqrt() if d["sde"] == "vp" else spent
    label = {"sigma": sigma, "log-sigma": sigma.log(), "c-noise": (sigma / alpha).log() / 4, "t": t, "t*999": 999 * t}
    return alpha, sigma, label[d["labels"]]


class Network(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.d = d
        classes = d["classes"] if d["kind"] == "classifier" else None
        inferred = d.get("inferred")
        told = d["classes"] + 1 if "classes" in d and not classes else 0
        self.embedding = Embedding(d["embedding"], inferred["classes"] if inferred else told)
        flat = len(d["shape"]) == 1
        self.body = Mlp(d, classes or d["shape"][0]) if flat else Convolutional(d, classes)
        if inferred:
            self.inferred = nn.ModuleList([Embedding(d["embedding"], 0), Convolutional({**d, **inferred}, inferred["classes"])])

    def forward(self, x, alpha, sigma, label, mask):
        d = self.d
        low, high = d["dataRange"]
        noise = (2 / (high - low) * sigma / alpha).log() / 4
        if d.get("parameterization") == "edm":
            return self.body(x, self.embedding(noise, label), mask)
        m, std = d["precondition"]["mean"], d["precondition"]["std"]
        alpha, sigma = (each.reshape(-1, *[1] * (x.dim() - 1)) for each in (alpha, sigma))
        scale = (sigma**2 + alpha**2 * std**2).sqrt()
        state = (x - alpha * m) / scale
        output = self.body(state, self.embedded(state, noise, label), mask)
        if d["kind"] == "classifier":
            return output
        # Karras et al. 2022, Table 1, at the noise level sigma / alpha of the centred x / alpha.
        rho = sigma / alpha
        skip, out = std**2 / (rho**2 + std**2), rho * std / (rho**2 + std**2).sqrt()
        x0 = m + skip * (x / alpha - m) + out * output
        eps = (x - alpha * x0) / sigma
        return {"x0": x0, "eps": eps, "score": -eps / sigma, "v": alpha * eps - sigma * x0}[d["parameterization"]]

    def embedded(self, state, noise, label):
        if "inferred" in self.d:
            embedding, encoder = self.inferred
            label = encoder(state, embedding(noise, None), lambda _, h: h).softmax(1)
        return self.embedding(noise, label)

    def names(self):
        yield from self.embedding.names()
        yield from self.body.names()
        for part in getattr(self, "inferred", []):
            yield from ((f"inferred.{name}", layer) for name, layer in part.names())


PLANE = {"width": 16, "depth": 2, "embedding": 16}
PICTURE = {"channels": [8, 16], "blocks": [1, 2], "attention": [1], "stem": 2, "embedding": 16}
CASES = {
    "planar MLP": {"kind": "mlp", "shape": [2], "sde": "ve", "labels": "sigma", "dataRange": [0, 1], "parameterization": "score", "precondition": {"mean": 0.4, "std": 0.3}, "residual": True, **PLANE},
    "conditional MLP with dropout": {"kind": "mlp", "shape": [3], "sde": "subvp", "labels": "t*999", "dataRange": [-1, 1], "parameterization": "v", "precondition": {"mean": 0.2, "std": 0.7}, "residual": False, "classes": 3, "dropout": 0.5, **PLANE},
    "U-Net": {"kind": "unet", "shape": [1, 8, 8], "sde": "vp", "labels": "t*999", "dataRange": [-1, 1], "parameterization": "eps", "precondition": {"mean": -0.7, "std": 0.6}, **PICTURE},
    "conditional U-Net with dropout": {"kind": "unet", "shape": [3, 8, 8], "sde": "edm", "labels": "log-sigma", "dataRange": [0, 2], "parameterization": "x0", "precondition": {"mean": 0.9, "std": 0.6}, "classes": 2, "dropout": 0.25, "channels": [8, 16, 8], "blocks": [2, 1, 1], "attention": [0, 2], "stem": 1, "embedding": 16},
    "EDM U-Net": {"kind": "unet", "shape": [1, 4, 4], "sde": "vp", "labels": "c-noise", "dataRange": [-1, 1], "parameterization": "edm", **PICTURE, "channels": [8], "blocks": [2], "attention": []},
    "DDPM U-Net": {"kind": "unet", "shape": [1, 4, 4], "sde": "vp", "labels": "index", "trainedLevels": 100, "dataRange": [-1, 1], "parameterization": "v", "precondition": {"mean": 0, "std": 0.5}, **PICTURE},
    "SMLD U-Net": {"kind": "unet", "shape": [1, 4, 4], "sde": "ve", "labels": "reversed-index", "trainedLevels": 10, "constants": {"sigmaMax": 20}, "dataRange": [0, 1], "parameterization": "score", "precondition": {"mean": 0.5, "std": 0.25}, **PICTURE},
    "U-Net that infers classes": {"kind": "unet", "shape": [1, 8, 8], "sde": "vp", "labels": "t*999", "dataRange": [-1, 1], "parameterization": "eps", "precondition": {"mean": -0.7, "std": 0.6}, "dropout": 0.25, **PICTURE, "inferred": {"classes": 3, "channels": [8, 24], "blocks": [1, 1], "attention": [1], "stem": 2}},
    "classifier of pictures": {"kind": "classifier", "shape": [1, 8, 8], "sde": "vp", "labels": "c-noise", "dataRange": [-1, 1], "precondition": {"mean": -0.7, "std": 0.6}, "classes": 4, **PICTURE},
    "planar classifier": {"kind": "classifier", "shape": [2], "sde": "ve", "labels": "t", "dataRange": [0, 1], "precondition": {"mean": 0.5, "std": 0.25}, "classes": 3, "residual": True, **PLANE},
}


def numbers(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().reshape(-1).tolist()]


def make(d):
    torch.manual_seed(3)
    network = Network(d).double()
    parameters = {}
    for name, module in network.names():
        for part, tensor in module.named_parameters():
            norm = isinstance(module, nn.GroupNorm)
            shape = [*tensor.shape, 1, 1] if norm else list(tensor.shape)
            amplitude = 0.3 if norm or part == "bias" else round(1.5 / math.sqrt(tensor[0].numel()), 3)
            parameters[f"{name}.{part}"] = (tensor, {"shape": shape, "offset": float(norm and part == "weight"), "amplitude": amplitude})
    assert len(parameters) == len(list(network.parameters()))
    with torch.no_grad():
        for j, (tensor, law) in enumerate(parameters.values()):
            values = law["offset"] + law["amplitude"] * torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) + 7 * j)
            tensor.copy_(values.float().reshape(tensor.shape))
    n = 3
    times = torch.tensor([0.15, 0.5, 0.9], dtype=torch.float64)
    if "trainedLevels" in d:
        times = torch.tensor([0.0, 4.0, d["trainedLevels"] - 1.0], dtype=torch.float64)
    alpha, sigma, label = marginal(d, times)
    x = torch.randn(n, *d["shape"], dtype=torch.float64).float().double()
    classes = torch.tensor([0, d["classes"] - 1, d["classes"]]) if "classes" in d and d["kind"] != "classifier" else None
    masks = {}

    def mask(name, h):
        if "dropout" not in d:
            return h
        masks[f"dropout.{name}"] = list(h.shape)
        kept = (torch.arange(h.numel()) + len(masks) - 1) % 4 != 0
        return h * kept.double().reshape(h.shape) / (1 - d["dropout"])

    y = network(x, alpha, sigma, classes, mask)
    with torch.no_grad():
        plain = network(x, alpha, sigma, classes, lambda _, h: h)
    if d["kind"] == "classifier":
        target = torch.tensor([0, 1, 2])
        loss = F.cross_entropy(y, target)
    else:
        target = torch.randn_like(y).float().double()
        loss = (y - target).square().mean()
    loss.backward()
    for name, (tensor, law) in parameters.items():
        flat = tensor.grad.reshape(-1)
        law["gradient"] = numbers(torch.stack([flat.norm(), flat @ torch.cos(torch.arange(flat.numel(), dtype=torch.float64))]))
    result = {
        "description": d,
        "parameters": {name: law for name, (_, law) in parameters.items()},
        "x": numbers(x),
        "t": numbers(label),
        "masks": masks,
        "y": numbers(plain),
        "target": numbers(target),
        "loss": loss.item(),
    }
    return result if classes is None else {**result, "class": classes.tolist()}


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: make(d) for name, d in CASES.items()}, separators=(",", ":")) + "\n")
    print(FILE.stat().st_size, "bytes")
