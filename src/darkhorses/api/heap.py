"""The heap of a process that makes large bodies day and night."""

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE = 131_072


def give_large_blocks_back() -> bool:
    """Have every block of 128 KiB and more given back to the system when it is freed; if it can be.

    glibc begins like this, but with the first large block that is freed it takes all of that size
    from its heap instead. There the small ones that come after it keep it from being given back,
    and a process that makes pages and answers all day holds 10 MB that it does not use. Where there
    is no ``mallopt`` nothing happens, and False says so.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, _LARGE))
