"""Colourless and holed test photographs, restored by the network of @fastsde/models, beside what the training picture whose known part is nearest, of all
or of the same class, puts in the place of what is unknown. Frechet distance of features from 5,000 other test pictures; mean square errors of what was known, and of the picture.

    python3 scripts/control/colours.py --data cifar10.tar.gz --count 100 --output colours/
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "models"))
import cifar10  # noqa: E402

CLI = ["node", str(ROOT / "dist" / "cli.js")]
TASKS = {"colorize": ["colorize"], "inpaint": ["inpaint", "--mask", "center:16"]}
MMPS = ["--method", "mmps", "--iterations"]
NONE = ["--class", "10"]  # without it, and with --data-labels, the class of each picture
METHODS = {
    "replacement": ["--method", "replacement", *NONE],
    "mmps 1": [*MMPS, "1", *NONE],
    "mmps 3": [*MMPS, "3", *NONE],
    "mmps 1, class": [*MMPS, "1"],
    "mmps 1, guided": [*MMPS, "1", "--guidance", "2"],
}
SHOWN = {"colorize": ["replacement", "mmps 1, class"], "inpaint": ["mmps 3", "mmps 1, guided"]}


def known(task, x):
    """What is measured of pictures, in its place in the space of pictures."""
    if task == "colorize":
        return x.mean(1, keepdim=True).expand_as(x)
    kept = torch.ones(1, 1, 32, 32)
    kept[:, :, 8:24, 8:24] = 0
    return x * kept


def run(words):
    return json.loads(subprocess.run([*CLI, *words, "--json", "--quiet"], check=True, capture_output=True).stdout)


def as_bytes(x):
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def draw(originals, at):
    """A row for each: original, grey, colours by each method, hole, and what each puts into it."""
    shown = [originals]
    for task, methods in SHOWN.items():
        found = [Path(at(f"{task}-{method}.npy")) for method in methods]
        shown += [known(task, originals)]
        shown += [torch.from_numpy(np.load(path)).float()[: len(originals)] for path in found if path.exists()]
    rows = torch.cat(shown, dim=3).permute(2, 0, 3, 1).transpose(0, 1).flatten(0, 1)
    picture = Image.fromarray(as_bytes(rows))
    picture.resize((3 * picture.width, 3 * picture.height), Image.Resampling.NEAREST).save(at("colours.png"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="archive of the pictures of CIFAR-10")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--threads", default="1")
    args = parser.parse_args()
    args.output.mkdir(exist_ok=True)
    at = lambda name: str(args.output / name)
    (test, test_labels), (training, labels) = cifar10.split(args.data, "test"), cifar10.split(args.data, "train")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    originals, others = test[order[: args.count]], test[order[-5000:]]
    classes = test_labels[order[: args.count]]
    np.save(at("originals.npy"), as_bytes(originals))
    np.save(at("others.npy"), as_bytes(others))
    np.save(at("labels.npy"), classes.numpy().astype(np.int32))

    def told(name, task, path, **more):
        x = torch.from_numpy(np.load(path)).float()
        words = ["evaluate", "--samples", path, "--data-range=-1,1", "--data", at("others.npy"), "--features", "cifar10"]
        found = run([*words, "--metrics", "frechet"])["frechet"]
        frechet = f"{found['value']:.2f} +- {found.get('standardError') or float('nan'):.2f}"
        off = (known(task, x) - known(task, originals)).square().mean().item()
        error = (x - originals).square().mean().item()
        print(name, json.dumps({"frechet": frechet, "known off": round(off, 6), "picture off": round(error, 4), **more}), flush=True)

    np.save(at("exact.npy"), originals.numpy())
    told("originals", "inpaint", at("exact.npy"))
    for task, words in TASKS.items():
        keys = known(task, training).reshape(len(training), -1)
        distances = torch.cdist(known(task, originals).reshape(args.count, -1), keys)
        for name, all in {"nearest": distances, "nearest of its class": distances + 1e9 * (classes[:, None] != labels)}.items():
            nearest = training[all.argmin(1)]
            path = at(f"{task}-{name}.npy")
            np.save(path, (known(task, originals) + nearest - known(task, nearest)).clamp(-1, 1).numpy())
            told(f"{task}, {name}", task, path)
        for method in args.methods:
            path = at(f"{task}-{method}.npy")
            data = ["--data", at("originals.npy"), "--data-labels", at("labels.npy"), "--limit", str(args.count), "--count", "1"]
            record = run([*words, "cifar10", *data, *METHODS[method], "--threads", args.threads, "--output", path])
            np.save(path, np.load(path)[:, 0])
            told(f"{task}, {method}", task, path, seconds=round(record["seconds"]))
    draw(originals[:8], at)



if __name__ == "__main__":
    main()
