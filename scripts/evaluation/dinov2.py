"""Exports the class token of DINOv2 (FD-DINOv2: ViT-L/14, 1024 features of pictures of 224 x 224).

    pip install torch torchvision transformers clean-fid onnx
    dinov2.py --weights dinov2-large/ --output dinov2.onnx --check dinov2.npz
    node scripts/evaluation/check.mjs dinov2.onnx dinov2.npz

--weights is a folder of transformers, such as facebook/dinov2-large. Pictures are scaled by PIL's bicubic rule without rounding
afterwards; the normalisation of ImageNet is in the graph.
"""

import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model

import export

SIZE = 224


class ClassToken(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1))

    def forward(self, x):
        return self.model(pixel_values=(x - self.mean) / self.deviation).pooler_output


parser = export.arguments(__doc__, "a folder of transformers")
options = parser.parse_args()
if options.random:
    torch.manual_seed(0)
    # The smallest of the published sizes.
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    config._attn_implementation = "eager"
    model = Dinov2Model(config)
else:
    model = Dinov2Model.from_pretrained(options.weights, attn_implementation="eager")
features = ClassToken(model.eval())
export.write(features, SIZE, options.output, pixels=(0, 1), resize="clean")
if options.check:
    export.write_check(options.check, lambda pictures: features(export.pil_resized(pictures, SIZE) / 255))
