"""Completions of the lower halves of test digits: how many a judge takes for the digit's class, beside the training digit whose upper half is
nearest (with its own lower half). The judge is that of scripts/models/classifier.py, which chose nothing here.

    python3 scripts/control/halves.py --data mnist/ --weights classifier.pt --count 500
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "models"))
import classifier  # noqa: E402
import mnist  # noqa: E402

METHODS = {
    "replacement": ["--method", "replacement"],
    "mmps": ["--method", "mmps"],
    "repaint": ["--method", "repaint", "--steps", "100", "--resamples", "4"],
    "smc": ["--method", "smc", "--particles", "32", "--steps", "60"],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    net = classifier.digits()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    digits, truth = mnist.images(args.data, "t10k")[: args.count], mnist.labels(args.data, "t10k")[: args.count]

    def told(name, pictures, **more):
        right = (classifier.probabilities(net, pictures.clamp(-1, 1)).argmax(1) == truth).float()
        error = 196 * (right.std() / len(right) ** 0.5).item()
        known = (pictures - digits)[:, :, :14].abs().max().item()
        record = {"share": f"{100 * right.mean().item():.1f} +- {error:.1f} %", "known half off by": round(known, 5), **more}
        print(name, json.dumps(record), flush=True)

    told("digits themselves", digits)
    training = mnist.images(args.data, "train")
    upper = training[:, 0, :14].reshape(len(training), -1)
    nearest = torch.cdist(digits[:, 0, :14].reshape(len(digits), -1), upper).argmin(1)
    of_class = (mnist.labels(args.data, "train")[nearest] == truth).float().mean().item()
    filled = digits.clone()
    filled[:, :, 14:] = training[nearest][:, :, 14:]
    told("nearest training digit", filled, **{"of the class itself": round(of_class, 3)})
    grey = digits.clone()
    grey[:, :, 14:] = -1
    told("the upper half alone", grey)
    for name in args.methods:
        with tempfile.TemporaryDirectory() as folder:
            data, output = Path(folder) / "digits.npy", Path(folder) / "x.npy"
            np.save(data, ((digits + 1) * 127.5).round().byte().numpy())
            command = ["node", str(ROOT / "dist" / "cli.js"), "inpaint", "--data", str(data), "--mask", "half:bottom"]
            command += ["--limit", str(args.count), "--count", "1", *METHODS[name], "--output", str(output), "--json", "--quiet"]
            record = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            told(name, torch.from_numpy(np.load(output)[:, 0]), counts=record["counts"]["networks"])


if __name__ == "__main__":
    main()
