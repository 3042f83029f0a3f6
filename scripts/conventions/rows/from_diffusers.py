"""Networks of diffusers: rows 1 to 12."""

import diffusers
import processes as p
import torch

from .row import bounded, row

TEXT = torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(7))
POOLED = torch.randn(1, 16, generator=torch.Generator().manual_seed(8))


def unet2d(**options):
    sizes = dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4)
    blocks = dict(down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"))
    return diffusers.UNet2DModel(**{**sizes, **blocks, "attention_head_dim": 8, **options})


def conditional(**options):
    return diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=8, **options,
    )  # fmt: skip


def dit():
    return diffusers.DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=3, out_channels=6, num_layers=1, sample_size=8,
        patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip


@row("1", "UNet2DModel", "diffusers", "unet.onnx", p.linear(), "eps")
def _(v):
    return dict(unet=unet2d())


@row("2", "the same, timestep a scalar", "diffusers", "unet-scalar.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index")
def _(v):
    call = lambda unet, x, t: unet(x, t).sample
    return dict(network=unet2d(), call=call, inputs=dict(sample=v.x, timestep=torch.tensor(10)))


@row("3", "UNet2DModel, class_labels", "diffusers", "unet-classes.onnx", p.linear(), "eps", label=3)
def _(v):
    return dict(unet=unet2d(num_class_embeds=10), classes=torch.tensor([3, 3]))


@row("4", "UNet2DModel, ScoreSdeVe", "diffusers", "ncsnpp.onnx", p.VE(), "score", dynamo=False)
def _(v):
    return dict(
        unet=unet2d(
            time_embedding_type="fourier", norm_num_groups=None, block_out_channels=(32, 32), norm_eps=1e-6,
            down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"), up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
        )  # fmt: skip
    )


@row("5", "UNet2DConditionModel", "diffusers", "unet-text.onnx", p.scaled_linear(), "eps", files={"text.npy": TEXT})
def _(v):
    return dict(unet=conditional(), text=TEXT.expand(2, -1, -1))


@row("6", "UNet2DConditionModel, text fixed in the graph", "diffusers", "unet-fixed-text.onnx", p.scaled_linear(), "eps",
     "--sde vp --parameterization eps --labels index --ladder scaled-linear")  # fmt: skip
def _(v):
    call = lambda unet, x, t: unet(x, t, TEXT.expand(x.shape[0], -1, -1)).sample
    return dict(network=conditional(), call=call, inputs=dict(sample=v.x, timestep=v.index))


@row("7", "the same, v prediction, zero terminal SNR", "diffusers", "unet-text-v.onnx", p.zero_terminal(p.scaled_linear()), "v",
     "--sde vp --parameterization v --labels index --ladder scaled-linear --zero-terminal-snr --input encoder_hidden_states=text.npy",
     files={"text.npy": TEXT}, dynamo=False)  # fmt: skip
def _(v):
    inputs = dict(sample=v.x, timestep=v.index, encoder_hidden_states=TEXT.expand(2, -1, -1))
    return dict(network=conditional(), call=lambda unet, x, t, text: unet(x, t, text).sample, inputs=inputs)


@row("8", "DiTTransformer2DModel, learned sigma", "diffusers", "dit-learned.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index --classes 1001", label=3, learned=True)  # fmt: skip
def _(v):
    inputs = dict(sample=v.x, timestep=v.index, class_labels=torch.tensor([3, 3]))
    return dict(network=dit(), call=lambda dit, x, t, y: bounded(dit(x, t, y).sample), inputs=inputs)


def led(dit, x, t, y):
    given, free = (dit(x, t, each).sample[:, : x.shape[1]] for each in (y, torch.full_like(y, 1000)))
    return free + 4 * (given - free)


@row("9", "DiTTransformer2DModel, first C channels", "diffusers", "dit.onnx", p.linear(), "eps", label=207)
def _(v):
    return dict(dit=dit(), classes=torch.tensor([207, 207]), truth=led)


@row("10", "SD3Transformer2DModel", "diffusers", "sd3.onnx", p.Flow(1000.0, T=0.999), "flow",
     "--sde flow --parameterization flow --labels 't*1000' --input encoder_hidden_states=text.npy --input pooled_projections=pooled.npy",
     shape=(4, 8, 8), files={"text.npy": TEXT, "pooled.npy": POOLED})  # fmt: skip
def _(v):
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=32, caption_projection_dim=16, pooled_projection_dim=16, pos_embed_max_size=8,
    )  # fmt: skip
    call = lambda n, x, t, text, pooled: n(x, encoder_hidden_states=text, pooled_projections=pooled, timestep=t).sample
    inputs = dict(sample=v.x, timestep=v.time, encoder_hidden_states=TEXT.expand(2, -1, -1), pooled_projections=POOLED.expand(2, -1))
    return dict(network=transformer, call=call, inputs=inputs)


def flux(n, x, t, text, pooled, guidance):
    """Pictures as the sequences of 2 x 2 patches that Flux takes, and back."""
    batch, channels, height, width = x.shape
    h, w = height // 2, width // 2
    tokens = x.reshape(batch, channels, h, 2, w, 2).permute(0, 2, 4, 1, 3, 5).reshape(batch, h * w, 4 * channels)
    places = torch.stack([torch.zeros(h, w), torch.arange(h)[:, None].expand(h, w), torch.arange(w)[None].expand(h, w)], 2)
    out = n(
        hidden_states=tokens, timestep=t, encoder_hidden_states=text, pooled_projections=pooled, guidance=guidance,
        img_ids=places.reshape(h * w, 3).float(), txt_ids=torch.zeros(text.shape[1], 3),
    ).sample  # fmt: skip
    return out.reshape(batch, h, w, channels, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, height, width)


@row("11", "FluxTransformer2DModel, a guidance input", "diffusers", "flux.onnx", p.Flow(T=0.999), "flow",
     "--sde flow --parameterization flow --labels t --input encoder_hidden_states=text.npy --input pooled_projections=pooled.npy --input guidance=1",
     shape=(4, 8, 8), files={"text.npy": TEXT, "pooled.npy": POOLED})  # fmt: skip
def _(v):
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    extra = dict(encoder_hidden_states=TEXT.expand(2, -1, -1), pooled_projections=POOLED.expand(2, -1), guidance=torch.ones(2))
    return dict(network=transformer, call=flux, inputs=dict(sample=v.x, timestep=v.time, **extra))


@row("12", "UNet1DModel", "diffusers", "unet1d.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", shape=(2, 32), dynamo=False)
def _(v):
    unet = diffusers.UNet1DModel(
        sample_size=32, in_channels=2, out_channels=2, block_out_channels=(16, 16), layers_per_block=1, time_embedding_type="positional",
        use_timestep_embedding=True, down_block_types=("DownResnetBlock1D", "DownResnetBlock1D"), norm_num_groups=4,
        up_block_types=("UpResnetBlock1D",), mid_block_type="MidResTemporalBlock1D", out_block_type="OutConv1DBlock", act_fn="mish",
    )  # fmt: skip
    return dict(network=unet, call=lambda unet, x, t: unet(x, t).sample, inputs=dict(sample=v.x, timestep=v.index))
