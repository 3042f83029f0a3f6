"""Writes test/fixtures/evaluation.json: what torch-fidelity, clean-fid and prdc say of small sets of features and pictures.

    pip install torch torchvision torch-fidelity clean-fid prdc
    python scripts/evaluation/fixtures.py
"""

import json

import numpy as np
import torch
from cleanfid.fid import frechet_distance
from cleanfid.resize import make_resizer
from prdc import compute_prdc
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd
from torch_fidelity.metric_prc import prc_features_to_metric


def numbers(length, seed):
    """Numbers in [-1, 1) that need no file: a linear congruential sequence, as in test/evaluation/published.test.ts."""
    state, out = seed, []
    for _ in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state / 2**31 - 1)
    return np.array(out, np.float32)


def features(count, width, seed, factor, shift):
    return (numbers(count * width, seed).reshape(count, width) * factor + shift).astype(np.float32)


generated = features(120, 6, 1, 1.25, 0.125)
reference = features(150, 6, 2, 1.0, 0.0)
a, b = generated.astype(np.float64), reference.astype(np.float64)
tensors = [torch.from_numpy(x) for x in (a, b)]
statistics = [fid_features_to_statistics(x) for x in tensors]
logits = features(100, 5, 3, 2.0, 0.0)

# Its statistic takes as many samples of each set.
kid = kernel_mmd(
    a,
    b[: len(generated)],
    kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1.0,
)
prc = prc_features_to_metric(
    tensors[0], tensors[1], prc_neighborhood=3, prc_batch_size=64, save_cpu_ram=False, verbose=False
)
prdc = compute_prdc(real_features=b, fake_features=a, nearest_k=5)

pictures = {}
for name, (height, width), (to_height, to_width) in [("up", (7, 9), (23, 19)), ("down", (31, 26), (11, 9))]:
    bytes_ = np.round((numbers(height * width, 4) + 1) * 127.5).astype(np.uint8).reshape(height, width)
    planes = torch.from_numpy(bytes_.astype(np.float32))[None, None]
    rgb = np.repeat(bytes_[:, :, None], 3, axis=2)
    pictures[name] = {
        "from": [height, width],
        "to": [to_height, to_width],
        "tf1": interpolate_bilinear_2d_like_tensorflow1x(planes, size=(to_height, to_width), align_corners=False)
        .flatten().tolist(),
        "clean": make_resizer("PIL", False, "bicubic", (to_width, to_height))(rgb)[:, :, 0].flatten().tolist(),
        "pytorch": torch.nn.functional.interpolate(
            planes, size=(to_height, to_width), mode="bilinear", align_corners=False
        ).flatten().tolist(),
    }

result = {
    "frechet": {
        "torchFidelity": fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"],
        "cleanFid": float(
            frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
        ),
    },
    "kernel": float(kid),
    "inceptionScore": isc_features_to_metric(torch.from_numpy(logits), splits=1)["inception_score_mean"],
    "precision": float(prc["precision"]),
    "recall": float(prc["recall"]),
    "density": float(prdc["density"]),
    "coverage": float(prdc["coverage"]),
    "pictures": pictures,
}
with open("test/fixtures/evaluation.json", "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
print({key: value for key, value in result.items() if key != "pictures"})
