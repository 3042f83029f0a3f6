"""Exports the picture embeddings of CLIP, normalised to length 1 (CMMD: ViT-L/14 of 336 x 336, 768 features).

    pip install torch torchvision transformers clean-fid onnx
    clip.py --weights clip-vit-large-patch14-336/ --output clip.onnx --check clip.npz
    node scripts/evaluation/check.mjs clip.onnx clip.npz

--weights is a folder of transformers, such as openai/clip-vit-large-patch14-336. Pictures are scaled by PIL's bicubic rule
without rounding afterwards; the normalisation of CLIP is in the graph.
"""

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

import export


class Embedding(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1))

    def forward(self, x):
        embedding = self.model(pixel_values=(x - self.mean) / self.deviation).image_embeds
        return embedding / embedding.norm(dim=1, keepdim=True)


parser = export.arguments(__doc__, "a folder of transformers")
options = parser.parse_args()
if options.random:
    torch.manual_seed(0)
    # ViT-B/32, the smallest of the published sizes.
    config = CLIPVisionConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=224, patch_size=32, projection_dim=512)
    config._attn_implementation = "eager"
    model = CLIPVisionModelWithProjection(config)
else:
    model = CLIPVisionModelWithProjection.from_pretrained(options.weights, attn_implementation="eager")
features = Embedding(model.eval())
size = model.config.image_size
export.write(features, size, options.output, pixels=(0, 1), resize="clean")
if options.check:
    export.write_check(options.check, lambda pictures: features(export.pil_resized(pictures, size) / 255))
