"""Compares derived ONNX models with torch.autograd, in single precision.

    npm run build:ts
    python3 scripts/autodiff/compare.py [name ...]

Needs torch, onnx, onnxruntime, and diffusers for the U-Nets. Prints the largest difference of each derivative, relative
to the largest value of that derivative, and fails above 1e-4.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import numpy
import onnx
import onnxruntime
import torch
from torch.onnx import export

import networks

ROOT = pathlib.Path(__file__).parents[2]

NETWORKS = {
    "mlp": (networks.Mlp, (4, 2)),
    "dit": (networks.Dit, (2, 3, 8, 8)),
    "wide-resnet": (networks.WideResNet, (2, 3, 16, 16)),
    "ddpm-cifar10, reduced": (lambda: networks.ddpm_cifar10((32, 64, 64, 64), 8), (2, 3, 32, 32)),
    "ddpm-cifar10": (networks.ddpm_cifar10, (1, 3, 32, 32)),
    "ncsnpp-church, reduced": (networks.ncsnpp_church, (1, 3, 64, 64)),
}


def write(network, x, t, path, dynamo):
    arguments = dict(input_names=["x", "t"], output_names=["y"], opset_version=18)
    if dynamo:
        batch = torch.export.Dim("N")
        export(network, (x, t), path, dynamo=True, dynamic_shapes=({0: batch}, {0: batch}), external_data=False,
               verbose=False, **arguments)  # fmt: skip
    else:
        axes = {"x": {0: "N"}, "t": {0: "N"}, "y": {0: "N"}}
        export(network, (x, t), path, dynamo=False, dynamic_axes=axes, **arguments)


def derive(cli, path, mode, *options):
    out = path.with_suffix(f".{mode}.onnx")
    start = time.perf_counter()
    subprocess.run(["node", cli, "grad", path, "--mode", mode, "-o", out, *options], check=True, stdout=subprocess.DEVNULL)
    return out, time.perf_counter() - start


def run(path, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: value for name, value in feeds.items() if name in wanted})))


def relative(ours, theirs):
    return float(numpy.abs(ours - theirs).max() / max(numpy.abs(theirs).max(), 1e-30))


def gradients_by_value(model, network):
    """Exporters rename, transpose, reshape and fuse parameters: finds each one that is left by its values."""
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        for parameter in network.parameters():
            if parameter.numel() != value.size or value.size < 2:
                continue
            own, gradient = parameter.detach().numpy(), parameter.grad.numpy()
            if numpy.array_equal(own.reshape(-1), value.reshape(-1)):
                yield tensor.name, gradient.reshape(value.shape)
                break
            elif own.ndim == 2 and numpy.array_equal(own.T, value):
                yield tensor.name, gradient.T
                break


def compare(name, cli, folder, dynamo):
    make, shape = NETWORKS[name]
    torch.manual_seed(1)
    network = networks.randomise(make())
    x = torch.randn(shape)
    t = torch.rand(shape[0]) * 0.8 + 0.1
    path = folder / f"{name.replace(', ', '-')}{'-dynamo' if dynamo else ''}.onnx"
    write(network, x, t, path, dynamo)

    leaf = x.clone().requires_grad_()
    y = network(leaf, t)
    v = torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, leaf, v)
    feeds = {"x": x.numpy(), "t": t.numpy(), "cotangent": v.numpy()}
    derived, seconds = derive(cli, path, "vjp")
    errors = {"vjp": relative(run(derived, feeds)["vjp.x"], expected.numpy())}

    u = torch.randn_like(x)
    # Two reverse passes: not every operator of PyTorch has a forward-mode derivative.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        _, tangent = torch.autograd.functional.jvp(lambda each: network(each, t), x, u)
    derived, _ = derive(cli, path, "jvp")
    errors["jvp"] = relative(run(derived, {**feeds, "tangent": u.numpy()})["jvp.y"], tangent.numpy())

    network.zero_grad()
    loss = (network(x, t) - v).square().flatten(1).mean(1).mean()
    loss.backward()
    derived, _ = derive(cli, path, "train")
    model = onnx.load(path)
    feeds = {**feeds, "target": v.numpy(), **{p.name: onnx.numpy_helper.to_array(p) for p in model.graph.initializer}}
    results = run(derived, feeds)
    errors["loss"] = abs(float(results["loss"]) - loss.item()) / abs(loss.item())
    pairs = [(each, g) for each, g in gradients_by_value(model, network) if f"grad.{each}" in results]
    scale = max(numpy.abs(g).max() for _, g in pairs)
    # A gradient that is zero in theory (the bias of attention's keys) is noise on the scale of the others.
    errors["parameters"] = max(
        float(numpy.abs(results[f"grad.{each}"] - g).max() / max(numpy.abs(g).max(), 1e-3 * scale)) for each, g in pairs
    )
    label = f"{name}{' (dynamo)' if dynamo else ''}"
    count = sum(p.numel() for p in network.parameters())
    print(f"{label:32} {count / 1e6:6.2f} M  vjp made in {seconds:4.1f} s  {len(pairs):3} gradients  "
          + "  ".join(f"{key} {value:.1e}" for key, value in errors.items()), flush=True)  # fmt: skip
    return max(errors.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--cli", default=ROOT / "dist" / "cli" / "main.js")
    parser.add_argument("--dynamo", action="store_true", help="export with the newer exporter as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        worst = 0.0
        for name in options.names:
            for dynamo in (False, True) if options.dynamo else (False,):
                worst = max(worst, compare(name, options.cli, pathlib.Path(folder), dynamo))
    if worst > 1e-4:
        raise SystemExit(f"the worst relative difference is {worst:.1e}")


if __name__ == "__main__":
    main()
