"""Networks of lineages that no registry has, small, with the inputs, labels and outputs of the papers named."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def randomise(network, seed):
    """Every parameter anew: published initialisations make blocks that output zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if not parameter.dtype.is_floating_point:
            continue
        if parameter.dim() > 1:
            scale = 1 / math.sqrt(parameter[0].numel())
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        elif name.endswith("weight") or name.endswith(".g"):
            parameter.copy_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
        else:
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def wide(values, x):
    return values.reshape(-1, *[1] * (x.dim() - 1)).to(x.dtype)


def positional(t, width):
    frequencies = torch.exp(torch.arange(width // 2, dtype=torch.float32) * (-math.log(10000) / (width // 2 - 1)))
    angles = t[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class Fourier(nn.Module):
    """Gaussian Fourier features (Tancik et al. 2020)."""

    def __init__(self, width, scale=16.0):
        super().__init__()
        self.register_buffer("W", torch.randn(width // 2) * scale)

    def forward(self, t):
        angles = t[:, None] * self.W * 2 * math.pi
        return torch.cat([angles.sin(), angles.cos()], 1)


class Block(nn.Module):
    def __init__(self, inputs, outputs, features):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, inputs), nn.GroupNorm(4, outputs)
        self.conv1, self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.embed = nn.Linear(features, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, c):
        h = self.conv1(F.silu(self.norm1(x))) + self.embed(c)[:, :, None, None]
        return (self.skip(x) + self.conv2(F.silu(self.norm2(h)))) / math.sqrt(2)


class UNet(nn.Module):
    """Two levels of residual blocks, attention at the lower one; `embed` makes features of the time."""

    def __init__(self, embed, width=16, channels=3, outputs=None, blocks=1, classes=0):
        super().__init__()
        self.embed, self.mlp = embed, nn.Linear(width, 2 * width)
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList(Block(width, width, 2 * width) for _ in range(blocks))
        self.middle = Block(width, width, 2 * width)
        self.qkv, self.merge = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)
        self.up = Block(2 * width, width, 2 * width)
        self.norm, self.head = nn.GroupNorm(4, width), nn.Conv2d(width, outputs or channels, 3, padding=1)
        self.classes = nn.Linear(classes, 2 * width) if classes else None

    def forward(self, x, t, y=None):
        c = self.mlp(self.embed(t).to(x.dtype))
        if y is not None:
            c = c + self.classes(y)
        c = F.silu(c)
        h = self.stem(x)
        for block in self.down:
            h = block(h, c)
        low = self.middle(F.avg_pool2d(h, 2), c)
        q, k, v = self.qkv(low).flatten(2).chunk(3, 1)
        weights = (torch.einsum("ncq,nck->nqk", q, k) / math.sqrt(q.shape[1])).softmax(2)
        low = low + self.merge(torch.einsum("nqk,nck->ncq", weights, v).reshape(low.shape))
        h = self.up(torch.cat([h, F.interpolate(low, scale_factor=2.0, mode="nearest")], 1), c)
        return self.head(F.silu(self.norm(h)))


class Positional(nn.Module):
    def forward(self, t):
        return positional(t, 16)


class LogFourier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fourier = Fourier(16)

    def forward(self, sigma):
        return self.fourier(torch.log(sigma))


class SongVE(nn.Module):
    """NCSN++ with `scale_by_sigma` (Song et al. 2021): the score."""

    def __init__(self, blocks=1):
        super().__init__()
        self.unet = UNet(LogFourier(), blocks=blocks)

    def forward(self, x, sigma):
        return self.unet(x, sigma) / wide(sigma, x)


class NCSNv2(nn.Module):
    """Song & Ermon 2020: no embedding, the output divided by the level's sigma; level 0 has the most noise."""

    def __init__(self, levels=232, most=50.0, least=0.01):
        super().__init__()
        self.register_buffer("sigmas", torch.exp(torch.linspace(math.log(most), math.log(least), levels)))
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ELU(), nn.Conv2d(16, 16, 3, padding=2, dilation=2), nn.ELU(), nn.Conv2d(16, 3, 3, padding=1)
        )  # fmt: skip

    def forward(self, x, y):
        return self.layers(x) / wide(self.sigmas[y], x)


class ScoreNet(nn.Module):
    """The tutorial's: Fourier features of t in [0, 1], swish, the output divided by the standard deviation."""

    def __init__(self, base=25.0):
        super().__init__()
        self.log = math.log(base)
        self.fourier = Fourier(16, 30.0)
        self.dense = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.norm1, self.norm2 = nn.GroupNorm(4, 16), nn.GroupNorm(4, 16)
        self.up = nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1)

    def forward(self, x, t):
        c = self.fourier(t)
        c = c * torch.sigmoid(c)
        swish = lambda h: h * torch.sigmoid(h)
        h = swish(self.norm1(self.conv1(x) + self.dense[0](c)[:, :, None, None]))
        h = swish(self.norm2(self.conv2(h) + self.dense[1](c)[:, :, None, None])) + h
        deviation = torch.sqrt((torch.exp(2 * self.log * t) - 1) / (2 * self.log))
        return self.up(h) / wide(deviation, x)


class EDM(nn.Module):
    """EDMPrecond (Karras et al. 2022, Table 1): D(x, sigma); `model` is F."""

    def __init__(self, data=0.5, classes=0):
        super().__init__()
        self.data, self.model = data, UNet(Positional(), classes=classes)

    def forward(self, x, sigma, y=None):
        sigma = sigma.to(torch.float32)
        s = wide(sigma, x)
        root = torch.sqrt(s**2 + self.data**2)
        more = () if y is None else (y,)
        F_x = self.model(x / root, torch.log(sigma) / 4, *more)
        return self.data**2 / root**2 * x + s * self.data / root * F_x


class VPPrecond(nn.Module):
    """Karras et al. 2022, Table 1, column VP: a network of Song et al. as D(x, sigma)."""

    def __init__(self, beta_d=19.9, beta_min=0.1):
        super().__init__()
        self.beta_d, self.beta_min, self.model = beta_d, beta_min, UNet(Positional())

    def forward(self, x, sigma):
        s = wide(sigma, x)
        time = (torch.sqrt(self.beta_min**2 + 2 * self.beta_d * torch.log(1 + sigma**2)) - self.beta_min) / self.beta_d
        return x - s * self.model(x / torch.sqrt(s**2 + 1), 999 * time)


class IDDPMPrecond(nn.Module):
    """Karras et al. 2022, Table 1, column iDDPM: sigma is rounded to the nearest of 1000 levels, whose number is fed."""

    def __init__(self, levels=1000, C1=0.001, C2=0.008):
        super().__init__()
        self.levels, self.model = levels, UNet(Positional(), outputs=6)
        bar = lambda j: math.sin(0.5 * math.pi * j / levels / (C2 + 1)) ** 2
        u = torch.zeros(levels + 1, dtype=torch.float64)
        for j in range(levels, 0, -1):
            u[j - 1] = math.sqrt((float(u[j]) ** 2 + 1) / max(bar(j - 1) / bar(j), C1) - 1)
        self.register_buffer("u", u.float())

    def forward(self, x, sigma):
        s = wide(sigma, x)
        index = torch.abs(sigma[:, None] - self.u[None]).argmin(1)
        return x - s * self.model(x / torch.sqrt(s**2 + 1), (self.levels - 1 - index).float())[:, :3]
