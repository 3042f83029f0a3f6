"""What a row of the table of conventions is."""

import dataclasses
from collections.abc import Callable

import processes as p
import torch

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


def bounded(output):
    """The share of a learned variance within -1 and 1, as training brings it about; random weights do not."""
    mean, share = output.chunk(2, 1)
    return torch.cat([mean, share.tanh()], 1)
