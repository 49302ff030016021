"""One message to many sockets, handed to the kernel without their transports.

A transport of the event loop costs a delivery several cache lines, none of which is in the cache
when thousands of sockets were written to since. A descriptor is a number.

`send(2)` is called with the interpreter's lock held, as uvloop does it too. `os.write` and
`socket.send` let it go: wherever another thread computes meanwhile, which the admin's do, each of
thousands of calls may wait for a switch interval to get it back.
"""

import ctypes
import socket
import sys
from collections.abc import Sequence
from itertools import repeat

CAN_SEND = sys.platform == "linux"
"""Whether `send_to_all` works here."""

if sys.platform == "linux":
    _FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
    _send = ctypes.PyDLL(None).send


def send_to_all(descriptors: Sequence[int], message: bytes) -> list[int]:
    """Send `message` to each of some sockets, and return how many bytes each has taken: fewer than
    all if it is full, and -1 if it took none. It never blocks."""
    length = ctypes.c_size_t(len(message))
    return list(map(_send, descriptors, repeat(message), repeat(length), repeat(_FLAGS)))
