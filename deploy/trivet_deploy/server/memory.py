"""Memory that was used for large things goes back to the system.

glibc takes large blocks from the system one by one and returns each when it is freed, but it
learns: after the first such block it takes the next ones of this size from its heap, which only
ever shrinks at its end. One crowd of large bodies would stay in a worker's size for good.
"""

import ctypes
import sys

LARGE_BYTES = 64 * 1024
"""From this size the system gives a block; uvicorn hands over a body in parts about as large."""
_M_MMAP_THRESHOLD = -3
"""The constant of glibc's malloc.h. Setting it ends the automatic adjustment (mallopt(3))."""


def give_large_blocks_back() -> None:
    """Fix the threshold for this process; where the C library is not glibc, nothing happens."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
