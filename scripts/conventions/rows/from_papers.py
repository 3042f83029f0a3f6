"""Networks of the code that papers published: rows 13 to 29."""

import guide
import networks
import onnx
import processes as p
import torch
from azula.plugins.adm._src.unet import UNetModel
from torchcfm.models.unet.unet import EncoderUNetModel

from .row import bounded, row


def adm(**options):
    sizes = dict(image_size=8, in_channels=3, model_channels=32, out_channels=6, num_res_blocks=1, attention_resolutions=(2,))
    return UNetModel(**{**sizes, "channel_mult": (1, 1), "num_head_channels": 16, "use_scale_shift_norm": True, **options})


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
