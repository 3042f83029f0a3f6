"""What the scripts share that export feature networks: the ONNX file with its metadata, and pictures with the features they should get."""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch


def arguments(description, weights):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help=weights)
    source.add_argument("--random", action="store_true", help="random weights instead, to try this script")
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--check", type=Path, help="an .npz file with pictures and features, for scripts/evaluation/check.mjs")
    return parser


def write(module, size, output, *, pixels, resize, logits=False):
    """Writes a network of pictures [N, 3, size, size]; `pixels` are what the bytes 0 and 255 are for it."""
    names = ["features", "logits"] if logits else ["features"]
    with torch.no_grad():
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, 3, size, size),),
            str(output),
            input_names=["pictures"],
            output_names=names,
            dynamic_axes={name: {0: "N"} for name in ["pictures", *names]},
            opset_version=18,
            dynamo=False,
        )
    model = onnx.load(output)
    entries = {
        "fastsde.format": "1",
        "fastsde.kind": "features",
        "fastsde.features.range": ",".join(repr(float(pixel)) for pixel in pixels),
        "fastsde.features.layout": "nchw",
        "fastsde.features.resize": resize,
        **{f"fastsde.output.{name}": name for name in names},
    }
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, output)


def write_check(path, features):
    """`features` makes those of uint8 pictures [N, 3, height, width], with the library's own scaling."""
    rng = np.random.default_rng(0)
    # Smooth pictures, so that how they are scaled matters and does not dominate.
    coarse = torch.from_numpy(rng.uniform(0, 255, (4, 3, 9, 11)).astype(np.float32))
    pictures = torch.nn.functional.interpolate(coarse, size=(96, 128), mode="bicubic").clip(0, 255).round()
    pictures = pictures.to(torch.uint8)
    with torch.no_grad():
        np.savez(path, pictures=pictures.numpy(), features=features(pictures).numpy().astype(np.float32))


def pil_resized(pictures, size):
    """Bicubic with antialiasing, in floats that are clipped and not rounded: the rule `clean`."""
    from cleanfid.resize import make_resizer

    scale = make_resizer("PIL", False, "bicubic", (size, size))
    scaled = np.stack([scale(picture.numpy().transpose(1, 2, 0)) for picture in pictures])
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())
