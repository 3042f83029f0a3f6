"""models/mnist-vp.onnx in PyTorch: the same architecture, and the weights of the file where they are wanted."""

import pathlib
import sys

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "scripts" / "networks"))
from fixtures import Network

MEAN, STD = -0.7386, 0.6162
BETA0, BETA1 = 0.1, 20.0
DESCRIPTION = {
    "kind": "unet",
    "shape": [1, 28, 28],
    "channels": [32, 80],
    "blocks": [1, 3],
    "attention": [1],
    "stem": 2,
    "embedding": 128,
    "inferred": {"classes": 10, "channels": [16, 64], "blocks": [1, 2], "attention": []},
}


class VpEpsilon(nn.Module):
    """eps(x, t) with the label 999 t and data in [-1, 1]; arranged so that nothing cancels at small noise."""

    def __init__(self):
        super().__init__()
        self.network = Network(DESCRIPTION)

    def forward(self, x, label):
        t = label / 999
        integral = t * (BETA0 + 0.5 * (BETA1 - BETA0) * t)
        alpha, sigma = torch.exp(-0.5 * integral), torch.sqrt(-torch.expm1(-integral))
        noise = (sigma / alpha).log() / 4
        alpha, sigma = alpha[:, None, None, None], sigma[:, None, None, None]
        scale = (sigma.square() + (alpha * STD).square()).sqrt()
        unit = (x - alpha * MEAN) / scale
        return (sigma / scale) * unit - (alpha * STD / scale) * self.network.body(unit, self.network.embedded(unit, noise, None), lambda name, h: h)


def network():
    return VpEpsilon().float().eval()


def trained(path):
    """The network of the file, checked against ONNX Runtime."""
    import numpy
    import onnx
    import onnxruntime
    from onnx import numpy_helper

    net = network().requires_grad_(False)
    arrays = {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    for name, module in net.network.names():
        for part, tensor in module.named_parameters():
            tensor.copy_(torch.from_numpy(arrays[f"{name}.{part}"].copy()).reshape(tensor.shape))
    x, t = torch.randn(2, 1, 28, 28), torch.tensor([30.0, 700.0])
    reference = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy(), "t": t.numpy()})[0]
    assert numpy.abs(net(x, t).numpy() - reference).max() < 1e-4, "the weights do not fit"
    return net
