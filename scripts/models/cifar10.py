"""The photographs of CIFAR-10 from an archive of pictures in folders SPLIT/CLASS/, as tensors."""

import io
import tarfile
from pathlib import Path

import numpy
import torch
from PIL import Image


def split(archive: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """[N, 3, 32, 32] in [-1, 1], and classes in the order of their names; name is `train` or `test`."""
    pixels, folders = [], []
    with tarfile.open(archive) as files:
        for member in files:
            parts = member.name.removeprefix("./").split("/")
            if member.isfile() and parts[0] == name:
                pixels.append(numpy.asarray(Image.open(io.BytesIO(files.extractfile(member).read())).convert("RGB")))
                folders.append(parts[1])
    classes = {folder: k for k, folder in enumerate(sorted(set(folders)))}
    images = torch.from_numpy(numpy.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, torch.tensor([classes[folder] for folder in folders])


def varied(images: torch.Tensor) -> torch.Tensor:
    """Each picture moved by up to two pixels, and mirrored or not."""
    count, _, height, width = images.shape
    dy, dx = torch.randint(5, (2, count))
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    moved = padded.unfold(2, height, 1).unfold(3, width, 1)[torch.arange(count), :, dy, dx]
    return torch.where(torch.rand(count, 1, 1, 1) < 0.5, moved.flip(3), moved)
