"""The IDX files of MNIST, as tensors."""

import gzip
from pathlib import Path

import numpy
import torch


def images(folder: Path, split: str) -> torch.Tensor:
    """[N, 1, 28, 28] in [-1, 1]; split is `train` or `t10k`."""
    data = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    pixels = numpy.frombuffer(data, numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    return torch.from_numpy(pixels.copy()).float() / 127.5 - 1


def labels(folder: Path, split: str) -> torch.Tensor:
    data = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=8).copy()).long()
