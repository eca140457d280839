"""Leaf: a pixel of the sky that a catalogue has files for."""

from typing import NamedTuple

MAX_ORDER = 29  # of HEALPix pixels that an int64 can number
DIR_PIXELS = 10_000  # whose files share a folder
FOLDERS = ("Norder", "Dir", "Npix")  # the keys in its path; they are no columns


class Leaf(NamedTuple):
    """One HEALPix pixel, in the nested numbering."""

    order: int
    pixel: int

    @property
    def exists(self) -> bool:
        """Whether the sky has such a pixel."""
        return 0 <= self.order <= MAX_ORDER and 0 <= self.pixel < 12 * 4**self.order

    def path(self, suffix: str = ".parquet") -> str:
        """Where its file, or its folder if the suffix is /, lies below the catalogue."""
        first = self.pixel // DIR_PIXELS * DIR_PIXELS
        name = f"Npix={self.pixel}{suffix.strip('/')}"
        return f"dataset/Norder={self.order}/Dir={first}/{name}"
