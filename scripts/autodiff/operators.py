"""Writes what PyTorch says of single operators, in double precision: test/fixtures/onnx/operators.json.

    python3 scripts/autodiff/operators.py

Each case has an ONNX operator with its attributes, its inputs, a cotangent, and PyTorch's output and gradients; test/autodiff/operators.test.ts
differentiates the operator.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

PATH = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "onnx" / "operators.json"
CASES = {}


def numbers(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().reshape(-1).tolist()]


def tensor(value):
    return {"shape": list(value.shape), "data": numbers(value.to(torch.float64)), "type": str(value.dtype)[6:]}


def case(name, operator, function, inputs, constants=(), attributes=None, opset=23):
    """`constants` are inputs without a derivative; an input that is not given is None."""
    torch.manual_seed(len(CASES))
    leaves = {key: torch.randn(shape, dtype=torch.float64).requires_grad_() for key, shape in inputs.items()}
    fixed = dict(constants)
    y = function(**leaves, **{key: value for key, value in fixed.items() if value is not None})
    v = torch.randn_like(y)
    gradients = torch.autograd.grad(y, list(leaves.values()), v)
    CASES[name] = {
        "operator": operator,
        "opset": opset,
        "attributes": attributes or {},
        "operands": [*leaves, *[key if value is not None else "" for key, value in fixed.items()]],
        "inputs": {key: tensor(value) for key, value in leaves.items()},
        "constants": {key: tensor(value) for key, value in fixed.items() if value is not None},
        "v": tensor(v),
        "y": tensor(y),
        "vjp": {key: tensor(value) for key, value in zip(leaves, gradients)},
    }


def heads(value, count):
    return value.unflatten(-1, (count, -1)).transpose(1, 2)


def attention(q, k, v, mask=None, causal=False, scale=None, softcap=0.0, q_heads=None, kv_heads=None):
    flat = q.dim() == 3
    if flat:
        q, k, v = heads(q, q_heads), heads(k, kv_heads), heads(v, kv_heads)
    if softcap == 0:
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
    else:
        scores = q @ k.transpose(-1, -2) * (scale or 1 / math.sqrt(q.shape[-1]))
        scores = softcap * torch.tanh(scores / softcap)
        y = torch.softmax(scores if mask is None else scores + mask, -1) @ v
    return y.transpose(1, 2).flatten(2) if flat else y


def rotary(x, cos, sin, positions=None, count=1, apart=False, turned=None):
    """A product of complex numbers."""
    if positions is not None:
        cos, sin = cos[positions.long()], sin[positions.long()]
    h = x if x.dim() == 4 else heads(x, count)
    turned = turned or h.shape[-1]
    part, rest = h[..., :turned], h[..., turned:]
    pairs = part.unflatten(-1, (-1, 2)) if apart else part.unflatten(-1, (2, -1)).transpose(-1, -2)
    product = torch.view_as_complex(pairs.contiguous()) * torch.complex(cos, sin)[:, None]
    pairs = torch.view_as_real(product)
    y = torch.cat([pairs.flatten(-2) if apart else pairs.transpose(-1, -2).flatten(-2), rest], -1)
    return y if x.dim() == 4 else y.transpose(1, 2).flatten(2)


Q, K, V = (2, 4, 5, 3), (2, 4, 6, 3), (2, 4, 6, 2)
QKV = {"q": Q, "k": K, "v": V}
FLAT = {"q": (2, 5, 12), "k": (2, 6, 12), "v": (2, 6, 8)}
some = torch.arange(30).reshape(5, 6) % 7 != 3

case("attention", "Attention", attention, QKV)
case("attention, scaled", "Attention", lambda **a: attention(**a, scale=0.3), QKV, attributes={"scale": 0.3})
case("attention, capped", "Attention", lambda **a: attention(**a, softcap=0.7), QKV, attributes={"softcap": 0.7})
case("attention, causal", "Attention", lambda **a: attention(**a, causal=True), QKV, attributes={"is_causal": 1})
case("attention with a mask", "Attention", attention, QKV, {"mask": some})
case("attention with a bias", "Attention", attention, {**QKV, "mask": (2, 4, 5, 6)})
case("attention with a capped bias", "Attention", lambda **a: attention(**a, softcap=2.0), {**QKV, "mask": (5, 6)}, attributes={"softcap": 2.0})
case("attention of rows", "Attention", lambda **a: attention(**a, q_heads=4, kv_heads=4), FLAT, attributes={"q_num_heads": 4, "kv_num_heads": 4})
case("attention of groups", "Attention", attention, {"q": Q, "k": (2, 2, 6, 3), "v": (2, 2, 6, 2)}, opset=24)
case(
    "attention of one head for all", "Attention", lambda **a: attention(**a, q_heads=4, kv_heads=1, causal=True),
    {"q": (2, 5, 12), "k": (2, 5, 3), "v": (2, 5, 2)}, attributes={"q_num_heads": 4, "kv_num_heads": 1, "is_causal": 1},
)  # fmt: skip

angles = torch.outer(torch.arange(7, dtype=torch.float64), torch.tensor([1.0, 0.1], dtype=torch.float64))
table = {"cos": angles.cos(), "sin": angles.sin(), "positions": torch.tensor([[0, 1, 2, 3, 6], [2, 3, 1, 0, 5]])}
own = {"cos": angles.cos()[table["positions"]], "sin": angles.sin()[table["positions"]]}
case("rotation", "RotaryEmbedding", rotary, {"x": (2, 3, 5, 4)}, table)
case("rotation by angles of each sample", "RotaryEmbedding", rotary, {"x": (2, 3, 5, 4)}, own)
case("rotation of neighbours", "RotaryEmbedding", lambda **a: rotary(**a, apart=True), {"x": (2, 3, 5, 4)}, table, {"interleaved": 1})
case("rotation in part", "RotaryEmbedding", lambda **a: rotary(**a, turned=4), {"x": (2, 3, 5, 6)}, table, {"rotary_embedding_dim": 4})
case("rotation of rows", "RotaryEmbedding", lambda **a: rotary(**a, count=3), {"x": (2, 5, 12)}, table, {"num_heads": 3})

case(
    "RMS normalisation", "RMSNormalization", lambda x, scale: F.rms_norm(x, (4,), scale, 1e-5), {"x": (2, 3, 4), "scale": (4,)},
)  # fmt: skip
case(
    "RMS normalisation over two axes", "RMSNormalization", lambda x, scale: F.rms_norm(x, (3, 4), scale, 1e-2),
    {"x": (2, 3, 4), "scale": (3, 4)}, attributes={"axis": 1, "epsilon": 1e-2},
)  # fmt: skip
case(
    "layer normalisation", "LayerNormalization", lambda x, scale, bias: F.layer_norm(x, (4,), scale, bias, 1e-5),
    {"x": (2, 3, 4), "scale": (4,), "bias": (4,)},
)  # fmt: skip
case(
    "group normalisation", "GroupNormalization", lambda x, scale, bias: F.group_norm(x, 2, scale, bias, 1e-5),
    {"x": (2, 4, 3, 2), "scale": (4,), "bias": (4,)}, attributes={"num_groups": 2},
)  # fmt: skip
case(
    "group normalisation with a scale for each group", "GroupNormalization",
    lambda x, scale, bias: F.group_norm(x, 2, scale.repeat_interleave(2), bias.repeat_interleave(2), 1e-5),
    {"x": (2, 4, 3, 2), "scale": (2,), "bias": (2,)}, attributes={"num_groups": 2}, opset=18,
)  # fmt: skip
case("GELU", "Gelu", F.gelu, {"input": (3, 4)})
case("GELU through tanh", "Gelu", lambda input: F.gelu(input, approximate="tanh"), {"input": (3, 4)}, attributes={"approximate": "tanh"})
case("Mish", "Mish", F.mish, {"input": (3, 4)})
case("SiLU", "Swish", F.silu, {"input": (3, 4)}, opset=24)

PATH.write_text(json.dumps(CASES) + "\n")
print(len(CASES), PATH.stat().st_size)
