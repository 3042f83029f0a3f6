"""The forty conventions: how each small network is made, and what it is."""

import dataclasses
import importlib
import os
import types
from collections.abc import Callable

import azula.denoise
import azula.nn.unet
import azula.noise
import diffusers
import onnx
import torch
from azula.plugins.adm._src.unet import UNetModel
from denoising_diffusion_pytorch import Unet, Unet1D
from denoising_diffusion_pytorch.classifier_free_guidance import Unet as GuidedUnet
from torchcfm.models.unet.unet import EncoderUNetModel, UNetModelWrapper

import guide
import networks
import processes as p
import steps  # noqa: F401, which finds k-diffusion

ROWS = []
PICTURE = (3, 8, 8)


@dataclasses.dataclass
class Row:
    number: str
    network: str
    where: str
    file: str
    process: p.Continuous | p.Discrete
    output: str
    """What the output means, as fastsde calls it; `edm` is the raw network of Karras et al."""
    make: Callable
    """The names that the guide's block uses, or network, call and inputs where the guide has none; and `truth`, what a sampler makes of
    the network where that is more than one call of it."""
    flags: str | None
    """Where the guide has no command for the file."""
    shape: tuple = PICTURE
    data: float = 0.5
    """Data standard deviation of `edm`."""
    dynamo: bool = True
    smooth: bool = True
    """Whether the network is continuous in its time, so that an integration makes sense."""
    learned: bool = False
    """Whether the second half of the channels is a variance."""
    self_conditioned: bool = False
    label: int | None = None
    metadata: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)
    """Arrays that flags name."""


def row(number, network, where, file, process, output, flags=None, **options):
    return lambda make: ROWS.append(Row(number, network, where, file, process, output, make, flags, **options))


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


def adm(**options):
    sizes = dict(image_size=8, in_channels=3, model_channels=32, out_channels=6, num_res_blocks=1, attention_resolutions=(2,))
    return UNetModel(**{**sizes, "channel_mult": (1, 1), "num_head_channels": 16, "use_scale_shift_norm": True, **options})


def bounded(output):
    """The share of a learned variance within -1 and 1, as training brings it about; random weights do not."""
    mean, share = output.chunk(2, 1)
    return torch.cat([mean, share.tanh()], 1)


TEXT = torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(7))
POOLED = torch.randn(1, 16, generator=torch.Generator().manual_seed(8))
LOWRES = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(9))


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


@row("13", "NCSN++ VP", "Song et al.", "song-vp.onnx", p.VP(), "eps")
def _(v):
    return dict(network=networks.UNet(networks.Positional()))


@row("14", "NCSN++ VE", "Song et al.", "song-ve.onnx", p.VE(), "score")
def _(v):
    return dict(network=networks.SongVE())


@row("15", "NCSN++ deep VE", "Song et al.", "song-ve-deep.onnx", p.VE(), "score", "--sde ve --sde-constants sigmaMax=50 --parameterization score --labels sigma", dynamo=False)
def _(v):
    return dict(network=networks.SongVE(blocks=4), call=lambda n, x, sigma: n(x, sigma), inputs=dict(x=v.x, sigma=v.time))


@row("16", "DDPM++ sub-VP", "Song et al.", "song-subvp.onnx", p.SubVP(), "eps", "--sde subvp --parameterization eps --labels 't*999'")
def _(v):
    return dict(network=networks.UNet(networks.Positional(), blocks=2), call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, labels=v.time))


@row("17", "DDPM", "Song et al.", "song-ddpm.onnx", p.VP(), "eps", "--sde vp --parameterization eps --labels 't*999'", shape=(3, 16, 16), dynamo=False)
def _(v):
    return dict(network=networks.UNet(networks.Positional(), blocks=2), call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, labels=v.time))


@row("18", "NCSNv2", "Song and Ermon 2020", "ncsnv2.onnx", p.Geometric(232, 0.01, 50), "score")
def _(v):
    return dict(network=networks.NCSNv2())


@row("19", "ScoreNet of the published tutorial", "sigma(t)^2 = (25^2t - 1) / (2 ln 25)", "scorenet.onnx", p.VE(most=9.85), "score", shape=(1, 28, 28))
def _(v):
    return dict(network=networks.ScoreNet())


@row("20", "EDM, raw F", "Karras et al.", "edm-raw.onnx", p.CNoise(), "edm")
def _(v):
    return dict(network=networks.EDM())


@row("21", "EDM D(x, sigma)", "Karras et al.", "edm.onnx", p.EDM(), "x0")
def _(v):
    return dict(network=networks.EDM())


@row("22", "D with float64 sigma", "Karras et al.", "edm-double.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma")
def _(v):
    return dict(network=networks.EDM(), call=lambda n, x, sigma: n(x, sigma), inputs=dict(x=v.x, sigma=v.time.double()))


@row("23", "ADM with one-hot classes", "Karras et al.", "edm-classes.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", label=3)
def _(v):
    call = lambda n, x, sigma, y: n(x, sigma, y)
    return dict(network=networks.EDM(classes=10), call=call, inputs=dict(x=v.x, sigma=v.time, class_labels=torch.eye(10)[[3, 3]]))


@row("24", "VP-preconditioned D", "Karras et al.", "vp-precond.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", dynamo=False)
def _(v):
    return dict(network=networks.VPPrecond(), call=lambda n, x, sigma: n(x, sigma), inputs=dict(x=v.x, sigma=v.time))


@row("25", "iDDPM-preconditioned D", "Karras et al.", "iddpm-precond.onnx", p.EDM(), "x0", "--sde edm --parameterization x0 --labels sigma", smooth=False)
def _(v):
    return dict(network=networks.IDDPMPrecond(), call=lambda n, x, sigma: n(x, sigma), inputs=dict(x=v.x, sigma=v.time))


@row("26", "guided-diffusion, learned sigma", "Dhariwal and Nichol", "adm-learned.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index", learned=True, dynamo=False)  # fmt: skip
def _(v):
    return dict(network=adm(), call=lambda n, x, t: bounded(n(x, t)), inputs=dict(x=v.x, timesteps=v.index))


@row("27", "guided-diffusion, first half", "Dhariwal and Nichol", "adm.onnx", p.linear(), "eps")
def _(v):
    return dict(network=adm())


@row("28", "its noisy classifier", "Dhariwal and Nichol", "adm-guided.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index --classifier classifier.onnx --class 3 --guidance 1", label=3, dynamo=False)  # fmt: skip
def _(v):
    classifier = EncoderUNetModel(
        image_size=8, in_channels=3, model_channels=32, out_channels=10, num_res_blocks=1, attention_resolutions=(2,), channel_mult=(1, 1),
        num_head_channels=16, use_scale_shift_norm=True, resblock_updown=True,
    )  # fmt: skip
    networks.randomise(classifier, 5)
    guide.NAMES["export"]("classifier.onnx", classifier, lambda n, x, t: n(x, t), dynamo=False, x=v.x, timesteps=v.index)
    model = onnx.load("classifier.onnx")
    says = {"fastsde.format": "1", "fastsde.kind": "classifier", "fastsde.sde": "vp", "fastsde.labels": "index"}
    onnx.helper.set_model_props(model, says)
    onnx.save(model, "classifier.onnx")

    def truth(network, x, t):
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_()
            logarithm = classifier(leaf, t).log_softmax(1)[:, 3].sum()
            (gradient,) = torch.autograd.grad(logarithm, leaf, create_graph=True)
        sigma = p.linear().at(int(t[0]))[1]
        return network(x, t)[:, :3] - sigma * gradient

    return dict(network=adm(), call=lambda n, x, t: n(x, t)[:, :3], inputs=dict(x=v.x, timesteps=v.index), truth=truth)


@row("29", "improved-diffusion, cosine", "Nichol and Dhariwal", "improved.onnx", p.cosine(), "eps", "--sde vp --parameterization eps --labels index --ladder cosine")
def _(v):
    return dict(network=adm(out_channels=3), call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, timesteps=v.index))


@row("30", "Unet, default", "denoising-diffusion-pytorch", "lucid.onnx", p.sigmoid(), "v")
def _(v):
    model = Unet(8, dim_mults=(1, 2), attn_dim_head=8, attn_heads=2)
    return dict(diffusion=types.SimpleNamespace(model=model))


@row("31", "Unet, flash attention", "denoising-diffusion-pytorch", "lucid-flash.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", dynamo=False)
def _(v):
    model = Unet(8, dim_mults=(1, 2), attn_dim_head=8, attn_heads=2, flash_attn=True)
    return dict(network=model, call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, time=v.index))


@row("32", "Unet with self-condition", "denoising-diffusion-pytorch", "lucid-self.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index", dynamo=False, self_conditioned=True)  # fmt: skip
def _(v):
    model = Unet(8, dim_mults=(1, 2), attn_dim_head=8, attn_heads=2, self_condition=True)
    return dict(network=model, call=lambda n, x, t, known: n(x, t, known), inputs=dict(x=v.x, time=v.index, x_self_cond=torch.zeros_like(v.x)))


@row("33", "learned variance", "denoising-diffusion-pytorch", "lucid-learned.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index", learned=True, dynamo=False)  # fmt: skip
def _(v):
    model = Unet(8, dim_mults=(1, 2), attn_dim_head=8, attn_heads=2, learned_variance=True)
    return dict(network=model, call=lambda n, x, t: bounded(n(x, t)), inputs=dict(x=v.x, time=v.index))


@row("34", "Unet1D", "denoising-diffusion-pytorch", "lucid-1d.onnx", p.linear(), "eps", "--sde vp --parameterization eps --labels index", shape=(3, 32), dynamo=False)
def _(v):
    model = Unet1D(8, dim_mults=(1, 2), channels=3, attn_dim_head=8, attn_heads=2)
    return dict(network=model, call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, time=v.index))


def guided(n, x, t, y):
    given, free = n(x, t, y, cond_drop_prob=0.0), n(x, t, y, cond_drop_prob=1.0)
    return free + 2 * (given - free)


@row("35", "class-conditional with dropout of classes", "denoising-diffusion-pytorch", "lucid-classes.onnx", p.linear(), "eps",
     "--class 3 --guidance 2", label=3, dynamo=False,
     metadata={
         "fastsde.format": "1", "fastsde.sde": "vp", "fastsde.parameterization": "eps", "fastsde.labels": "index", "fastsde.classes": "10",
         "fastsde.null_class": "10",
     })  # fmt: skip
def _(v):
    model = GuidedUnet(8, num_classes=10, dim_mults=(1, 2), attn_dim_head=8, attn_heads=2)
    return dict(diffusion=types.SimpleNamespace(model=model), classes=torch.tensor([3, 3]), truth=guided)


def image_transformer():
    os.environ["K_DIFFUSION_USE_COMPILE"] = "0"  # exporters cannot look into compiled functions
    module = importlib.import_module("k_diffusion.models.image_transformer_v1")
    inner = module.ImageTransformerDenoiserModelV1(1, 64, 64, 3, 3, (2, 2), sigma_data=0.5)
    return importlib.import_module("k_diffusion.layers").Denoiser(inner, sigma_data=0.5)


@row("36a", "image transformer, D", "k-diffusion", "kdiff.onnx", p.EDM(), "x0")
def _(v):
    return dict(denoiser=image_transformer())


@row("36b", "the same, raw F", "k-diffusion", "kdiff-raw.onnx", p.EDM(), "edm")
def _(v):
    return dict(denoiser=image_transformer())


class Backbone(torch.nn.Module):
    """A network of azula's, which takes a vector, with the embedding of a time before it."""

    def __init__(self):
        super().__init__()
        self.embed = networks.Positional()
        self.unet = azula.nn.unet.UNet(3, 3, hid_channels=(8, 16), hid_blocks=(1, 1), mod_features=16, norm="layer")

    def forward(self, x, t):
        return self.unet(x, self.embed(t))


@row("37a", "KarrasDenoiser VE", "azula", "azula-ve.onnx", p.VE(1e-3, 1e3, by_time=True, levels=[0.3, 0.6, 0.9]), "x0",
     "--sde ve --sde-constants sigmaMin=0.001,sigmaMax=1000 --parameterization x0 --labels t")  # fmt: skip
def _(v):
    denoiser = azula.denoise.KarrasDenoiser(Backbone(), azula.noise.VESchedule())
    return dict(network=denoiser, call=lambda d, x, t: d(x, t).mean, inputs=dict(x=v.x, t=v.time))


@row("37b", "KarrasDenoiser VP, its time sigma", "azula", "azula.onnx", p.EDM(), "x0")
def _(v):
    return dict(denoiser=azula.denoise.KarrasDenoiser(Backbone(), azula.noise.VPSchedule()))


@row("38", "KarrasDenoiser, rectified, its time sigma", "azula", "azula-rectified.onnx", p.EDM(), "x0",
     "--sde edm --parameterization x0 --labels sigma", dynamo=False)  # fmt: skip
def _(v):
    denoiser = azula.denoise.KarrasDenoiser(Backbone(), azula.noise.RectifiedSchedule())
    denoiser.schedule = guide.NAMES["Sigma"]()
    return dict(network=denoiser, call=lambda d, x, sigma: d(x, sigma).mean, inputs=dict(x=v.x, sigma=v.time))


def cfm():
    return UNetModelWrapper(dim=PICTURE, num_channels=32, num_res_blocks=1, channel_mult=(1, 1), num_head_channels=16)


@row("39a", "flow matching, t in [0, 1]", "several", "flow.onnx", p.Flow(T=0.999), "flow")
def _(v):
    return dict(network=networks.UNet(networks.LogFourier()))


@row("39b", "the same, t in [0, 1000]", "several", "flow-1000.onnx", p.Flow(1000.0, T=0.999), "flow", "--sde flow --parameterization flow --labels 't*1000'", dynamo=False)
def _(v):
    return dict(network=networks.UNet(networks.Positional()), call=lambda n, x, t: n(x, t), inputs=dict(x=v.x, t=v.time))


@row("39c", "from the noise to the data", "torchcfm", "cfm.onnx", p.Flow(reverse=True, T=0.999), "reversed-flow")
def _(v):
    return dict(network=cfm())


@row("40", "super-resolution", "diffusers and others", "upscaler.onnx", p.linear(), "eps",
     "--sde vp --parameterization eps --labels index --input lowres=lowres.npy", files={"lowres.npy": LOWRES}, dynamo=False)  # fmt: skip
def _(v):
    double = lambda low: torch.nn.functional.interpolate(low, scale_factor=2.0, mode="nearest")
    call = lambda unet, x, t, low: unet(torch.cat([x, double(low)], 1), t).sample
    inputs = dict(sample=v.x, timestep=v.index, lowres=LOWRES.expand(2, -1, -1, -1))
    return dict(network=unet2d(in_channels=6), call=call, inputs=inputs)


@row("", "a cosine schedule as D(x, sigma)", "anywhere", "wrapped.onnx", p.EDM(), "x0")
def _(v):
    return dict(network=networks.UNet(networks.Positional()))

