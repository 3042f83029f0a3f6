"""Classifiers that judge samples, one of digits and one of photographs: trained here, never shipped.

    classifier.py train --data FOLDER|ARCHIVE --output classifier.pt
    classifier.py judge --weights classifier.pt --samples samples.npy [--range -1 1] [--in-turn]

Needs torch 2.13.0 and numpy; for photographs Pillow as well.
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional as F

import mnist


def digits():
    def stage(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)]

    return nn.Sequential(*stage(1, 16), *stage(16, 32), nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def photographs():
    """A residual network of nine layers, with the logits of a picture averaged with those of its mirror image when it judges."""

    def layer(inputs, outputs, pool=1):
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.MaxPool2d(pool), nn.BatchNorm2d(outputs), nn.GELU()]

    def residual(width):
        return Residual(*layer(width, width), *layer(width, width))

    layers = [*layer(3, 24), *layer(24, 48, 2), *layer(48, 96, 2), residual(96), *layer(96, 192, 2), residual(192)]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(192, 10)).to(memory_format=torch.channels_last)


def probabilities(net, images):
    net.eval()
    logits = []
    with torch.no_grad():
        for part in images.split(1000):
            logits.append(net(part) + net(part.flip(3)) if images.shape[1] == 3 else net(part))
    scale = 0.5 if images.shape[1] == 3 else 1
    return torch.softmax(scale * torch.cat(logits), dim=1)


def train(args):
    torch.manual_seed(0)
    if args.data.is_dir():
        images, labels = mnist.images(args.data, "train"), mnist.labels(args.data, "train")
        test, truth = mnist.images(args.data, "t10k"), mnist.labels(args.data, "t10k")
        net, rate, varied = digits(), 3e-3, lambda batch: batch
        optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    else:
        import cifar10

        (images, labels), (test, truth) = cifar10.split(args.data, "train"), cifar10.split(args.data, "test")
        net, rate, varied = photographs(), 0.1, cifar10.varied
        optimiser = torch.optim.SGD(net.parameters(), momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = args.epochs * len(images) // 128
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for step in range(steps):
        index = torch.randint(len(images), (128,))
        loss = F.cross_entropy(net(varied(images[index])), labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"{step}/{steps} loss {loss.item():.4f}", flush=True)
    probability = probabilities(net, test)
    accuracy = (probability.argmax(1) == truth).float().mean().item()
    confident = (probability.max(1).values > 0.9).float().mean().item()
    print(json.dumps({"test accuracy": accuracy, "test pictures with confidence > 0.9": confident}))
    torch.save(net.state_dict(), args.output)


def judge(args):
    low, high = args.range
    samples = torch.from_numpy(numpy.load(args.samples)).float()
    net = photographs() if samples.shape[1] == 3 else digits()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    probability = probabilities(net, ((samples - low) / (high - low)).clamp(0, 1) * 2 - 1)
    confidence, found = probability.max(1)
    shares = torch.bincount(found, minlength=10) / len(found)
    verdict = {"samples": len(samples), "confidence > 0.9": (confidence > 0.9).float().mean().item(), "share of each class": [round(share, 4) for share in shares.tolist()]}
    if args.in_turn:
        right = found == torch.arange(len(found)) % 10
        verdict["as asked"] = right.float().mean().item()
        verdict["as asked, by class"] = [round(right[k::10].float().mean().item(), 3) for k in range(10)]
    print(json.dumps(verdict))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("--data", type=Path, required=True, help="folder with the four IDX files of MNIST, gzip; or archive of the pictures of CIFAR-10 in folders SPLIT/CLASS/")
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--epochs", type=int, default=6)
    command.set_defaults(run=train)
    command = commands.add_parser("judge")
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument("--samples", type=Path, required=True, help=".npy of [N, 1, 28, 28], or [N, 3, 32, 32] for photographs")
    command.add_argument("--range", type=float, nargs=2, default=(-1.0, 1.0), help="values of black and white in the samples")
    command.add_argument("--in-turn", action="store_true", help="the samples were asked for by class, 0 to 9 in turn")
    command.set_defaults(run=judge)
    args = parser.parse_args()
    args.run(args)
