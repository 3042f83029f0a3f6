"""A small U-Net denoiser for 28 x 28 digits, and its two exported forms: a VP and a VE score network."""

import math

import torch
from torch import nn
from torch.nn import functional as F

# Pixel mean and standard deviation of MNIST in [-1, 1].
MEAN, STD = -0.7386, 0.6162


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, embedding: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, embedding):
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return x + h


class Attention(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x):
        _, c, height, width = x.shape
        q, k, v = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.transpose(1, 2) @ k * c**-0.5, dim=-1)
        return x + self.out((v @ weights.transpose(1, 2)).unflatten(2, (height, width)))


class UNet(nn.Module):
    """F(x, noise): 14 x 14 after a space-to-depth stem, then 7 x 7 with attention."""

    def __init__(self, fine: int = 32, coarse: int = 80, embedding: int = 128, fine_blocks: int = 1, coarse_blocks: int = 3):
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(math.log(0.5), math.log(50.0), 16)))
        self.embed = nn.Sequential(nn.Linear(32, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU())
        self.stem = nn.Conv2d(4, fine, 3, padding=1)
        self.down = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.up = nn.Conv2d(coarse, fine * 4, 1)
        self.encoder = nn.ModuleList(ResidualBlock(fine, embedding) for _ in range(fine_blocks))
        self.middle = nn.ModuleList(ResidualBlock(coarse, embedding) for _ in range(coarse_blocks))
        self.attention = Attention(coarse)
        self.merge = nn.Conv2d(2 * fine, fine, 1)
        self.decoder = nn.ModuleList(ResidualBlock(fine, embedding) for _ in range(fine_blocks))
        self.norm = nn.GroupNorm(8, fine)
        self.head = nn.Conv2d(fine, 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x, noise):
        angles = noise[:, None] * self.frequencies
        embedding = self.embed(torch.cat([angles.sin(), angles.cos()], dim=1))
        h = self.stem(F.pixel_unshuffle(x, 2))
        for block in self.encoder:
            h = block(h, embedding)
        skip = h
        h = self.down(h)
        for index, block in enumerate(self.middle):
            h = block(h, embedding)
            if index == 0:
                h = self.attention(h)
        h = F.pixel_shuffle(self.up(h), 2)
        h = self.merge(torch.cat([h, skip], dim=1))
        for block in self.decoder:
            h = block(h, embedding)
        return F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)


def epsilon(net, x, alpha, sigma, mean=MEAN, std=STD, unit=1.0):
    """Noise prediction of a preconditioned network (Karras et al. 2022, section 5) for x = alpha x0 + sigma z.

    `unit` is the length of one data unit in the [-1, 1] range on which the network was trained.
    """
    scale = (sigma.square() + (alpha * std).square()).sqrt()
    column = lambda v: v[:, None, None, None]
    centred = (x - column(alpha) * mean) / column(scale)
    residual = net(centred, torch.log(unit * sigma / alpha) / 4)
    return column(sigma / scale) * centred - column(alpha * std / scale) * residual


class VpEpsilon(nn.Module):
    """eps(x, t) with the label 999 t and data in [-1, 1]."""

    beta0, beta1 = 0.1, 20.0

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t):
        time = t / 999
        integral = time * (self.beta0 + 0.5 * (self.beta1 - self.beta0) * time)
        alpha = torch.exp(-0.5 * integral)
        # 1 - exp(-B) without cancellation for small B.
        sigma = (torch.tanh(0.5 * integral) * (1 + torch.exp(-integral))).sqrt()
        return epsilon(self.net, x, alpha, sigma)


class VeScore(nn.Module):
    """score(x, sigma) with the label sigma and data in [0, 1]."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t):
        eps = epsilon(self.net, x, torch.ones_like(t), t, (MEAN + 1) / 2, STD / 2, 2.0)
        return -eps / t[:, None, None, None]
