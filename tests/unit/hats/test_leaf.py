import pytest

from lcclassify.hats.leaf import Leaf


@pytest.mark.parametrize(
    ("leaf", "suffix", "path"),
    [
        (Leaf(0, 4), ".parquet", "dataset/Norder=0/Dir=0/Npix=4.parquet"),
        (Leaf(9, 9_999), ".parquet", "dataset/Norder=9/Dir=0/Npix=9999.parquet"),
        (Leaf(9, 10_000), ".parquet", "dataset/Norder=9/Dir=10000/Npix=10000.parquet"),
        (Leaf(9, 123_456), "/", "dataset/Norder=9/Dir=120000/Npix=123456"),
        (Leaf(1, 2), ".snappy.parquet", "dataset/Norder=1/Dir=0/Npix=2.snappy.parquet"),
    ],
)
def test_path(leaf, suffix, path):
    assert leaf.path(suffix) == path


@pytest.mark.parametrize(
    ("leaf", "exists"),
    [
        (Leaf(0, 11), True),
        (Leaf(0, 12), False),
        (Leaf(2, 191), True),
        (Leaf(2, 192), False),
        (Leaf(-1, 0), False),
        (Leaf(3, -1), False),
        (Leaf(30, 0), False),
    ],
)
def test_the_sky_has_so_many_pixels(leaf, exists):
    assert leaf.exists == exists
