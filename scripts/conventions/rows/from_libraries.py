"""Networks of other libraries, and of code that is written anywhere: rows 30 to 40."""

import importlib
import os
import types

import azula.denoise
import azula.nn.unet
import azula.noise
import guide
import networks
import processes as p
import steps  # noqa: F401, which finds k-diffusion
import torch
from denoising_diffusion_pytorch import Unet, Unet1D
from denoising_diffusion_pytorch.classifier_free_guidance import Unet as GuidedUnet
from torchcfm.models.unet.unet import UNetModelWrapper

from .from_diffusers import unet2d
from .row import PICTURE, bounded, row

LOWRES = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(9))


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
