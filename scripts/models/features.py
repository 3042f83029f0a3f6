"""The feature networks of `fastsde evaluate`: small classifiers of clean digits or photographs, whose 64 values before the last
layer are the features. They are other networks than the judges (classifier.py), and are never used as judges.

    features.py --data FOLDER|ARCHIVE --output mnist-features.onnx [--epochs 8]

Needs torch 2.13.0, numpy and onnx; for photographs Pillow as well.
"""

import argparse
import json
from pathlib import Path

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

import mnist

FEATURES = 64


def digits():
    return nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=2, padding=2),
        nn.SiLU(),
        nn.Conv2d(24, 48, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(48, 64, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(64 * 49, FEATURES),
        nn.SiLU(),
        nn.Linear(FEATURES, 10),
    )


def photographs():
    def layer(inputs, outputs, stride=1):
        return [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()]

    layers = [*layer(3, 32), *layer(32, 64, 2), *layer(64, 64), *layer(64, 128, 2), *layer(128, 128)]
    head = [nn.Linear(128, FEATURES), nn.SiLU(), nn.Linear(FEATURES, 10)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)


def shifted(images):
    """Each batch moved by up to two pixels: the features should not depend on where exactly a digit stands."""
    dy, dx = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(F.pad(images, (2, 2, 2, 2), value=-1), (dy, dx), (2, 3))[:, :, 2:-2, 2:-2]


def train(net, images, labels, varied, epochs):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    steps = epochs * len(images) // 128
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(len(images), (128,))
        loss = F.cross_entropy(net(varied(images[index])), labels[index], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return folded(net.eval())


def folded(net):
    """The network with its normalisations multiplied into the convolutions before them."""
    layers = []
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def model(net, shape):
    """The network as standard operators, by hand: nothing of an exporter's stays in the file."""
    nodes, weights = [], []

    def weight(name, tensor):
        weights.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    x, at = "x", 0
    for layer in net:
        name = f"layer{at}"
        if isinstance(layer, nn.Conv2d):
            x = node("Conv", [x, weight(f"{name}.weight", layer.weight), weight(f"{name}.bias", layer.bias)], name, strides=list(layer.stride), pads=[layer.padding[0]] * 4)
        elif isinstance(layer, nn.Linear):
            last = layer.out_features == 10
            x = node("Gemm", [x, weight(f"{name}.weight", layer.weight), weight(f"{name}.bias", layer.bias)], "logits" if last else name, transB=1)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            x = node("GlobalAveragePool", [x], name)
        elif isinstance(layer, nn.Flatten):
            x = node("Flatten", [x], name)
        else:
            sigmoid = node("Sigmoid", [x], f"{name}.sigmoid")
            x = node("Mul", [x, sigmoid], "features" if at == len(net) - 2 else name)
        at += 1
    graph = helper.make_graph(
        nodes,
        "pictures",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES]), helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="fastsde")
    helper.set_model_props(
        made,
        {
            "fastsde.format": "1",
            "fastsde.kind": "features",
            "fastsde.features.range": "-1,1",
            "fastsde.features.layout": "nchw",
            "fastsde.features.resize": "pytorch",
            "fastsde.output.features": "features",
            "fastsde.output.logits": "logits",
        },
    )
    onnx.checker.check_model(made)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four IDX files of MNIST, gzip; or archive of the pictures of CIFAR-10 in folders SPLIT/CLASS/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(1)
    if args.data.is_dir():
        images, labels = mnist.images(args.data, "train"), mnist.labels(args.data, "train")
        test, truth = mnist.images(args.data, "t10k"), mnist.labels(args.data, "t10k")
        net = train(digits(), images, labels, shifted, args.epochs)
    else:
        import cifar10

        (images, labels), (test, truth) = cifar10.split(args.data, "train"), cifar10.split(args.data, "test")
        net = train(photographs(), images, labels, cifar10.varied, args.epochs)
    onnx.save(model(net, images.shape[1:]), args.output)
    with torch.no_grad():
        accuracy = torch.cat([net(part).argmax(1) for part in test.split(1000)]).eq(truth).float().mean().item()
    print(json.dumps({"test accuracy": accuracy, "bytes": args.output.stat().st_size}))
