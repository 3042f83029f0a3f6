"""Networks that derivatives are compared on: randomly initialised, in evaluation mode, as functions of (x, t)."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def embed(t, width):
    frequencies = torch.exp(torch.arange(width // 2) * (-math.log(1000.0) / (width // 2)))
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Mlp(nn.Module):
    def __init__(self, size=2, width=32):
        super().__init__()
        self.inner = nn.ModuleList([nn.Linear(size + 16, width), nn.Linear(width, width)])
        self.head = nn.Linear(width, size)

    def forward(self, x, t):
        h = torch.cat([x, embed(t, 16)], dim=1)
        h = F.silu(self.inner[0](h))
        h = F.softplus(self.inner[1](h))
        return self.head(h)


class DitBlock(nn.Module):
    """Peebles & Xie 2023, section 3: adaptive layer normalisation around attention and a perceptron."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, dim=2)
        n, tokens, width = x.shape
        h = self.norm1(x) * (1 + scale1) + shift1
        q, k, v = self.qkv(h).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + gate1 * self.out(h)
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


class Dit(nn.Module):
    def __init__(self, size=8, patch=2, width=32, heads=4, depth=2, channels=3):
        super().__init__()
        self.patch, self.grid, self.channels = patch, size // patch, channels
        self.stem = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.randn(1, self.grid**2, width))
        self.width = width
        self.blocks = nn.ModuleList(DitBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, patch * patch * channels)

    def forward(self, x, t):
        h = self.stem(x).flatten(2).transpose(1, 2) + self.position
        c = embed(t, self.width)
        for block in self.blocks:
            h = block(h, c)
        h = self.head(self.norm(h)).reshape(-1, self.grid, self.grid, self.patch, self.patch, self.channels)
        side = self.grid * self.patch
        return torch.einsum("nhwpqc->nchpwq", h).reshape(-1, self.channels, side, side)


class WideBlock(nn.Module):
    """Zagoruyko & Komodakis 2016: batch normalisation, ReLU, convolution, twice."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        h = F.relu(self.norm1(x))
        skip = x if self.skip is None else self.skip(h)
        return skip + self.conv2(F.relu(self.norm2(self.conv1(h))))


class WideResNet(nn.Module):
    """Logits of a noisy image; the time scales a learned direction, as a noise-conditional classifier's does."""

    def __init__(self, widths=(8, 16, 32), classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        steps = list(zip((widths[0],) + widths[:-1], widths))
        self.blocks = nn.ModuleList(WideBlock(a, b, 1 if i == 0 else 2) for i, (a, b) in enumerate(steps))
        self.time = nn.Linear(16, widths[0])
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x, t):
        h = self.stem(x) + self.time(embed(t, 16))[:, :, None, None]
        for block in self.blocks:
            h = block(h)
        h = F.avg_pool2d(F.relu(self.norm(h)), 2)
        return self.head(h.mean(dim=(2, 3)))


def diffusers_unet(**config):
    from diffusers import UNet2DModel

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = UNet2DModel(**config)

        def forward(self, x, t):
            return self.net(x, t).sample

    return Network()


def ddpm_cifar10(channels=(128, 256, 256, 256), groups=32):
    """The configuration of google/ddpm-cifar10-32."""
    return diffusers_unet(
        sample_size=32, in_channels=3, out_channels=3, center_input_sample=False, time_embedding_type="positional",
        freq_shift=1, flip_sin_to_cos=False, layers_per_block=2, block_out_channels=channels, downsample_padding=0,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None, norm_eps=1e-6, norm_num_groups=groups, act_fn="silu", mid_block_scale_factor=1,
    )  # fmt: skip


def ncsnpp_church(channels=(16, 16, 32, 32, 32, 32, 32)):
    """The configuration of google/ncsnpp-church-256, with fewer channels."""
    down = ["SkipDownBlock2D"] * 4 + ["AttnSkipDownBlock2D"] + ["SkipDownBlock2D"] * 2
    up = ["SkipUpBlock2D"] * 2 + ["AttnSkipUpBlock2D"] + ["SkipUpBlock2D"] * 4
    return diffusers_unet(
        sample_size=256, in_channels=3, out_channels=3, center_input_sample=True, time_embedding_type="fourier",
        freq_shift=0, flip_sin_to_cos=True, layers_per_block=2, block_out_channels=channels, downsample_padding=1,
        down_block_types=tuple(down), up_block_types=tuple(up), attention_head_dim=None, norm_eps=1e-6,
        norm_num_groups=None, act_fn="silu", mid_block_scale_factor=math.sqrt(2),
    )  # fmt: skip


def randomise(network, seed=0):
    """Moves every parameter and statistic off its initial value, since many of those are 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = max(1, parameter[0].numel()) if parameter.dim() > 1 else 16
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3 / math.sqrt(fan))
        for name, buffer in network.named_buffers():
            if name.endswith("running_var"):
                buffer.add_(torch.rand(buffer.shape, generator=generator))
            elif name.endswith("running_mean"):
                buffer.add_(torch.randn(buffer.shape, generator=generator) * 0.1)
    return network.eval().requires_grad_(True)
