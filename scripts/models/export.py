"""Writes mnist-vp.onnx and mnist-ve.onnx, with their metadata, from the checkpoints of train.py."""

import argparse
from pathlib import Path

import onnx
import torch

from train import SIGMA_MAX
from unet import UNet, VeScore, VpEpsilon

COMMON = {"format": "1", "shape": "1,28,28", "data": "MNIST"}
MODELS = {
    "vp": (VpEpsilon, "eps", {"sde": "vp", "sde.beta0": "0.1", "sde.beta1": "20", "parameterization": "eps", "labels": "t*999", "data_range": "-1,1"}),
    "ve": (VeScore, "score", {"sde": "ve", "sde.sigmaMin": "0.01", "sde.sigmaMax": f"{SIGMA_MAX:g}", "parameterization": "score", "labels": "sigma", "data_range": "0,1"}),
}


def export(checkpoint: Path, name: str, path: Path):
    wrapper, output, metadata = MODELS[name]
    net = UNet()
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    example = (torch.randn(2, 1, 28, 28), torch.tensor([0.5, 1.5]))
    torch.onnx.export(
        wrapper(net).eval(),
        example,
        path,
        input_names=["x", "t"],
        output_names=[output],
        dynamic_axes={key: {0: "N"} for key in ("x", "t", output)},
        opset_version=18,
        dynamo=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {f"fastsde.{key}": value for key, value in {**COMMON, **metadata}.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder written by train.py")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[2] / "models")
    parser.add_argument("--shared", action="store_true", help="take both from the shared stage's checkpoint, before tuning")
    args = parser.parse_args()
    for name in MODELS:
        export(args.checkpoints / f"{'shared' if args.shared else name}.pt", name, args.output / f"mnist-{name}.onnx")
