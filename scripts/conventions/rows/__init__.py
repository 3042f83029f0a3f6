"""The forty conventions: how each small network is made, and what it is."""

# Each adds its rows, in the order of the table.
from . import from_diffusers, from_papers, from_libraries  # noqa: F401, I001
from .row import ROWS, Row, bounded

__all__ = ["ROWS", "Row", "bounded"]
