"""The allocator of glibc as numpy needs it."""

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and numbers of glibc's mallopt


@cache
def mend_allocator() -> None:
    """Have this process keep the memory of arrays that come and go, once.

    Dask starts its workers with a trim threshold of 64 KiB, and so switches off that glibc raises
    the mmap threshold by itself: then every array is fresh pages from the system, and gone again.
    Elsewhere than in glibc there is nothing to mend.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_TRIM_THRESHOLD, 128 << 20)
    mallopt(M_MMAP_THRESHOLD, 32 << 20)
