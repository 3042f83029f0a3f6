"""Makes small random networks of the architectures of Stable Diffusion, exports them as diffusers' folders of ONNX files,
and writes what diffusers' own pipeline draws from given latents.

    python scripts/latent/diffusers_folder.py FOLDER [--architecture sd|sdxl|sd3] [--seed 0] [--external] [--levels 1000]

FOLDER then holds the networks (`unet/model.onnx`, ...) with their configs, and beside them `start.npy` (the latents at the start),
`latents.npy` and `pictures.npy` (those at the end, and their pictures in [-1, 1]) and `expected.json` (how they were drawn).

Needs torch, diffusers, transformers, onnx and onnxscript.
"""

import argparse
import json
import os
import resource
from pathlib import Path

import numpy as np
import onnx
import torch

PROMPT = "a small cat, sitting on 2 chairs"
NEGATIVE = "a dog"
GUIDANCE = 7.5
TEXTS = [
    PROMPT,
    "  The   DOG's\ttoy\n",
    "don't we're I'll",
    "naïve café Ünïcödé ß",
    "日本語 テスト 🐱🐶 !!",
    "1234 5,6.7 x_y-z (a:1.2)",
    "hello<|endoftext|>world",
    "",
    "cat " * 40,
]


def tokenizer(folder, layout="old", pad="<|endoftext|>", merges=("t h", "i n", "a n", "c a", "ca t</w>", "a t</w>", "d o", "do g</w>")):
    """A tokenizer of CLIP with few words: as vocab.json and merges.txt, or as tokenizer.json."""
    from transformers import CLIPTokenizer

    # The bytes as CLIP writes them: printable ones as they are, others behind the 256th letter.
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in plain] + [chr(256 + n) for n in range(256 - len(plain))]
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair.split()) for pair in merges)]
    vocab = {word: n for n, word in enumerate(dict.fromkeys([*words, "<|startoftext|>", "<|endoftext|>"]))}
    own = CLIPTokenizer(vocab=vocab, merges=[tuple(pair.split()) for pair in merges], pad_token=pad, model_max_length=MAX_TOKENS)
    folder.mkdir(parents=True)
    if layout == "new":
        own.save_pretrained(folder)
        return own
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad}
    write(folder / "vocab.json", vocab)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    write(folder / "special_tokens_map.json", special)
    config = {**special, "model_max_length": MAX_TOKENS, "do_lower_case": True, "tokenizer_class": "CLIPTokenizer"}
    write(folder / "tokenizer_config.json", config)
    return own


MAX_TOKENS = 32


def write(path, value, indent=2):
    path.write_text(json.dumps(value, indent=indent) + "\n")


class Wrapped(torch.nn.Module):
    """A function of positional inputs, for the exporter."""

    def __init__(self, module, call):
        super().__init__()
        self.module = module
        self.call = call

    def forward(self, *args):
        return self.call(self.module, *args)


def export(folder, module, call, inputs, outputs, external):
    """`inputs`: name -> (example, symbols of its open dimensions)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    shapes = {name: symbols for name, (_, symbols) in inputs.items() if symbols}
    with torch.no_grad():
        torch.onnx.export(
            Wrapped(module, call),
            tuple(example for example, _ in inputs.values()),
            path,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={**shapes, **{name: {0: "batch"} for name in outputs}},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(path)
    for old in folder.glob("*"):
        if old.name != "config.json":
            old.unlink()
    shorten(model.graph, {*inputs, *outputs})
    if external:
        onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    else:
        onnx.save(model, path)


def shorten(graph, kept):
    """Names are most of such a small file."""
    del graph.value_info[:]
    for initializer in graph.initializer:
        kept.add(initializer.name)
    names = {}
    for node in graph.node:
        node.name = node.doc_string = ""
        for values in (node.input, node.output):
            for n, name in enumerate(values):
                if name and name not in kept:
                    values[n] = names.setdefault(name, f"v{len(names)}")


BATCH = {0: "batch"}
PICTURE = {0: "batch", 2: "height", 3: "width"}


def make_vae(folder, channels, external, **options):
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=channels,
        sample_size=16,
        **options,
    ).eval()
    enlarge(vae)
    latent = {"latent_sample": (torch.randn(2, channels, 8, 8), PICTURE)}
    export(folder / "vae_decoder", vae, lambda m, z: m.decode(z).sample, latent, ["sample"], external)
    picture = {"sample": (torch.randn(2, 3, 16, 16), PICTURE)}
    encode = lambda m, x: m.encode(x).latent_dist.parameters  # noqa: E731
    export(folder / "vae_encoder", vae, encode, picture, ["latent_parameters"], external)
    for part in ("vae_decoder", "vae_encoder"):
        vae.save_config(folder / part)
    return vae


def enlarge(module):
    """Random networks as they are made hardly react to what they are told."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.2 if parameter.dim() > 1 else 1.0)


def clip(folder, own, hidden, projection, external, layers=2, **options):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(own),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=hidden,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        **options,
    )
    make = CLIPTextModelWithProjection if projection else CLIPTextModel
    encoder = make(config).eval()
    enlarge(encoder)
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, torch.nn.Embedding):
                module.weight.mul_(30)
    ids = {"input_ids": (torch.randint(0, len(own), (2, MAX_TOKENS)), BATCH)}
    names = ["text_embeds", "last_hidden_state"] if projection else ["last_hidden_state", "pooler_output"]

    def call(m, ids):
        out = m(ids, output_hidden_states=True)
        return (*(getattr(out, name) for name in names), *out.hidden_states)

    export(folder, encoder, call, ids, [*names, *(f"hidden_states.{n}" for n in range(layers + 1))], external)
    encoder.config.save_pretrained(folder)
    return encoder


def scheduler_of(folder, levels):
    """As Stable Diffusion has it; with few levels one that walks all of them."""
    from diffusers import DDIMScheduler

    ladder = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    spacing = {"steps_offset": 1, "set_alpha_to_one": False} if levels == 1000 else {"num_train_timesteps": levels, "timestep_spacing": "trailing"}
    scheduler = DDIMScheduler(**ladder, **spacing)
    scheduler.save_pretrained(folder / "scheduler")
    return scheduler


def export_unet(folder, unet, width, timestep, more, call, external):
    """Exports a text-conditional U-Net: `width` is that of the text's tokens, `more` its other inputs."""
    enlarge(unet)
    inputs = {
        "sample": (torch.randn(2, 4, 8, 8), PICTURE),
        "timestep": (timestep, None),
        "encoder_hidden_states": (torch.randn(2, MAX_TOKENS, width), BATCH),
        **more,
    }
    export(folder / "unet", unet, call, inputs, ["out_sample"], external)
    unet.save_config(folder / "unet")


def make_sd(folder, external, levels, time=torch.tensor([3], dtype=torch.int64)):
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    own = tokenizer(folder / "tokenizer")
    encoder = clip(folder / "text_encoder", own, 8, False, external)
    vae = make_vae(folder, 4, external, scaling_factor=0.18215)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=2,
        cross_attention_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()
    call = lambda m, x, t, c: m(x, t, c).sample  # noqa: E731
    export_unet(folder, unet, 8, time, {}, call, external)
    scheduler = scheduler_of(folder, levels)
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=own,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def make_sdxl(folder, external, levels, time=torch.tensor(3, dtype=torch.int64)):
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    own = tokenizer(folder / "tokenizer")
    second = tokenizer(folder / "tokenizer_2", layout="new", pad="!")
    encoder = clip(folder / "text_encoder", own, 16, False, external, hidden_act="quick_gelu")
    encoder_2 = clip(folder / "text_encoder_2", second, 24, True, external, hidden_act="gelu")
    vae = make_vae(folder, 4, external, scaling_factor=0.13025)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + 24,
        cross_attention_dim=40,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()
    more = {"text_embeds": (torch.randn(2, 24), BATCH), "time_ids": (torch.randn(2, 6), BATCH)}

    def call(m, x, t, c, pooled, ids):
        return m(x, t, c, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample

    export_unet(folder, unet, 40, time, more, call, external)
    scheduler = scheduler_of(folder, levels)
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoder,
        text_encoder_2=encoder_2,
        tokenizer=own,
        tokenizer_2=second,
        unet=unet,
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def make_sd3(folder, external, *_, **__):
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    own = tokenizer(folder / "tokenizer")
    second = tokenizer(folder / "tokenizer_2", layout="new", pad="!")
    encoder = clip(folder / "text_encoder", own, 16, True, external, hidden_act="quick_gelu")
    encoder_2 = clip(folder / "text_encoder_2", second, 24, True, external, hidden_act="gelu")
    vae = make_vae(
        folder, 16, external, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False
    )
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=64,
        caption_projection_dim=16,
        pooled_projection_dim=40,
        out_channels=16,
        pos_embed_max_size=8,
    ).eval()
    enlarge(transformer)
    inputs = {
        "hidden_states": (torch.randn(2, 16, 8, 8), PICTURE),
        "encoder_hidden_states": (torch.randn(2, MAX_TOKENS + 16, 64), {0: "batch", 1: "tokens"}),
        "pooled_projections": (torch.randn(2, 40), BATCH),
        "timestep": (torch.tensor([3.0, 3.0]), {0: "step"}),
    }

    def call(m, x, c, pooled, t):
        return m(hidden_states=x, encoder_hidden_states=c, pooled_projections=pooled, timestep=t).sample

    export(folder / "transformer", transformer, call, inputs, ["out_hidden_states"], external)
    transformer.save_config(folder / "transformer")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.save_pretrained(folder / "scheduler")
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=scheduler,
        vae=vae,
        text_encoder=encoder,
        tokenizer=own,
        text_encoder_2=encoder_2,
        tokenizer_2=second,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def index(folder, pipeline):
    """model_index.json, as exports write it."""
    names = {"unet", "transformer", "text_encoder", "text_encoder_2"}
    parts = {
        name: ["optimum.onnxruntime.modeling_diffusion", "ORTModel"] if name in names else list(value)
        for name, value in pipeline.config.items()
        if isinstance(value, (list, tuple)) and value[0] is not None and not name.startswith("_")
    }
    del parts["vae"]
    for part in ("vae_encoder", "vae_decoder"):
        parts[part] = ["optimum.onnxruntime.modeling_diffusion", "ORTModel"]
    write(folder / "model_index.json", {"_class_name": type(pipeline).__name__, "_diffusers_version": "0.42.0", **parts})


def draw(folder, pipeline, architecture, count, steps):
    """What the pipeline draws, batch by batch as one prompt is drawn several times."""
    channels = 16 if architecture == "sd3" else 4
    start = torch.randn(count, channels, 8, 8)
    options = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_inference_steps": steps}
    common = {**options, "latents": start, "num_images_per_prompt": count, "height": 16, "width": 16}
    pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        latents = pipeline(**common, output_type="latent").images
        shift = getattr(pipeline.vae.config, "shift_factor", None) or 0
        pictures = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor + shift).sample
        encoded = pipeline.vae.encode(pictures.clamp(-1, 1)).latent_dist.mean
    for name, values in {"start": start, "latents": latents, "pictures": pictures, "encoded": encoded}.items():
        np.save(folder / f"{name}.npy", values.numpy())
    timesteps = [float(t) for t in pipeline.scheduler.timesteps]
    cut = {"padding": "max_length", "truncation": True}
    tokens = [{"text": text, "ids": pipeline.tokenizer(text, **cut).input_ids} for text in TEXTS]
    write(folder / "expected.json", {**options, "timesteps": timesteps, "tokens": tokens}, None)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(folder, "latents", latents.std().item(), "pictures", pictures.std().item(), f"memory {memory:.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--architecture", choices=["sd", "sdxl", "sd3"], default="sd")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--levels", type=int, default=1000, help="trained levels")
    parser.add_argument("--external", action="store_true", help="weights in model.onnx_data beside model.onnx")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    os.makedirs(given.folder, exist_ok=True)
    make = {"sd": make_sd, "sdxl": make_sdxl, "sd3": make_sd3}[given.architecture]
    made = make(given.folder, given.external, given.levels)
    index(given.folder, made)
    draw(given.folder, made, given.architecture, given.count, given.steps)
