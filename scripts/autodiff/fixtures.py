"""Writes the networks and derivatives that test/autodiff/pytorch.test.ts compares with: test/fixtures/onnx/*.{onnx,json}.

    python3 scripts/autodiff/fixtures.py

A gradient of a parameter g is kept as its norm and its inner product with cos(0), cos(1), ...
"""

import json
import pathlib

import numpy
import onnx
import torch

import networks
from compare import gradients_by_value, write

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "onnx"


def small_unet():
    return networks.diffusers_unet(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4, downsample_padding=0, freq_shift=1, flip_sin_to_cos=False,
    )  # fmt: skip


NETWORKS = {
    "mlp": (lambda: networks.Mlp(width=16), (3, 2)),
    "dit": (lambda: networks.Dit(size=4, width=16, heads=2, depth=1), (2, 3, 4, 4)),
    "wide-resnet": (lambda: networks.WideResNet((4, 8), 5), (2, 3, 8, 8)),
    "unet": (small_unet, (2, 1, 8, 8)),
}


def numbers(tensor):
    return [float(f"{value:.7g}") for value in tensor.detach().reshape(-1).tolist()]


def make(name):
    build, shape = NETWORKS[name]
    torch.manual_seed(2)
    network = networks.randomise(build())
    x, u = torch.randn(shape), torch.randn(shape)
    t = torch.rand(shape[0]) * 0.8 + 0.1
    path = FOLDER / f"{name}.onnx"
    write(network, x, t, path, dynamo=False)

    leaf = x.clone().requires_grad_()
    y = network(leaf, t)
    v = torch.randn_like(y)
    (vjp,) = torch.autograd.grad(y, leaf, v)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        _, jvp = torch.autograd.functional.jvp(lambda each: network(each, t), x, u)
    network.zero_grad()
    loss = (network(x, t) - v).square().flatten(1).mean(1).mean()
    loss.backward()
    gradients = {}
    for key, gradient in gradients_by_value(onnx.load(path), network):
        flat = gradient.astype(numpy.float64).reshape(-1)
        gradients[key] = [float(numpy.linalg.norm(flat)), float(flat @ numpy.cos(numpy.arange(flat.size)))]
    arrays = {"x": x, "t": t, "u": u, "v": v, "y": y, "vjp": vjp, "jvp": jvp}
    expected = {key: {"shape": list(each.shape), "data": numbers(each)} for key, each in arrays.items()}
    expected.update(loss=loss.item(), gradients=gradients)
    (FOLDER / f"{name}.json").write_text(json.dumps(expected) + "\n")
    print(name, path.stat().st_size, (FOLDER / f"{name}.json").stat().st_size, len(gradients))


if __name__ == "__main__":
    for each in NETWORKS:
        make(each)
