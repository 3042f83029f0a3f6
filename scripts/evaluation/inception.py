"""Exports the Inception network of 2015-12-05, whose features are those of the FID and whose logits are those of the inception score.

    pip install torch torchvision torch-fidelity onnx
    inception.py --weights weights-inception-2015-12-05-6726825d.pth --output inception.onnx --check inception.npz
    node scripts/evaluation/check.mjs inception.onnx inception.npz

The weights are the file of that name among the releases of torch-fidelity, or pt_inception-2015-12-05-6726825d.pth of pytorch-fid
(Apache-2.0). Those of torchvision are others. Pictures are scaled by the rule of TensorFlow 1, which published FIDs use;
--resize clean gives the FID of clean-fid.
"""

import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

import export


class Features(nn.Module):
    """The features, and the logits without their bias, as torch-fidelity scores them."""

    def __init__(self, extractor):
        super().__init__()
        self.stages = nn.Sequential(*[stage for name, stage in extractor.named_children() if name != "fc"])
        self.weight = extractor.fc.weight

    def forward(self, x):
        features = torch.flatten(self.stages(x), 1)
        return features, features @ self.weight.T


def extractor(weights):
    if weights is not None:
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        nothing = Path(folder) / "nothing.pth"
        torch.save({}, nothing)
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(nothing))


parser = export.arguments(__doc__, "the file of the weights")
parser.add_argument("--resize", choices=["tf1", "clean"], default="tf1")
options = parser.parse_args()
network = extractor(options.weights)
features = Features(network)
export.write(features, 299, options.output, pixels=(-1, 127 / 128), resize=options.resize, logits=True)
if options.check:
    if options.resize == "tf1":
        export.write_check(options.check, lambda pictures: network(pictures)[0])
    else:
        export.write_check(options.check, lambda pictures: features((export.pil_resized(pictures, 299) - 128) / 128)[0])
