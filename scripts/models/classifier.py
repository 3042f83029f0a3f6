"""A digit classifier that judges samples: trained here, never shipped.

    classifier.py train --data FOLDER --output classifier.pt
    classifier.py judge --weights classifier.pt --samples samples.npy [--range -1 1]
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional as F

import mnist


def network():
    def stage(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)]

    return nn.Sequential(*stage(1, 16), *stage(16, 32), nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))


def train(args):
    torch.manual_seed(0)
    images, labels = mnist.images(args.data, "train"), mnist.labels(args.data, "train")
    test, truth = mnist.images(args.data, "t10k"), mnist.labels(args.data, "t10k")
    net = network()
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    steps = args.epochs * len(images) // 128
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(len(images), (128,))
        loss = F.cross_entropy(net(images[index]), labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        probability = torch.softmax(net(test), dim=1)
    accuracy = (probability.argmax(1) == truth).float().mean().item()
    confident = (probability.max(1).values > 0.9).float().mean().item()
    print(json.dumps({"test accuracy": accuracy, "test digits with confidence > 0.9": confident}))
    torch.save(net.state_dict(), args.output)


def judge(args):
    net = network()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    net.eval()
    low, high = args.range
    samples = torch.from_numpy(numpy.load(args.samples)).float()
    with torch.no_grad():
        probability = torch.softmax(net(((samples - low) / (high - low)).clamp(0, 1) * 2 - 1), dim=1)
    confidence, digit = probability.max(1)
    shares = torch.bincount(digit, minlength=10) / len(digit)
    print(json.dumps({"samples": len(samples), "confidence > 0.9": (confidence > 0.9).float().mean().item(), "share of each digit": [round(share, 4) for share in shares.tolist()]}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("--data", type=Path, required=True, help="folder with the four IDX files of MNIST, gzip")
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--epochs", type=int, default=6)
    command.set_defaults(run=train)
    command = commands.add_parser("judge")
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument("--samples", type=Path, required=True, help=".npy of [N, 1, 28, 28]")
    command.add_argument("--range", type=float, nargs=2, default=(-1.0, 1.0), help="values of black and white in the samples")
    command.set_defaults(run=judge)
    args = parser.parse_args()
    args.run(args)
