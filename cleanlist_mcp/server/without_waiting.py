"""Reading and writing pipes and sockets without waiting, and without making them non-blocking: that would hold for
everybody who shares them, the client included."""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

READ_BYTES = 65_536
"""Most bytes of one read: all that a pipe of Linux holds."""

WRITE_BYTES = 4_096
"""Most bytes of one write. On Linux, poll reports a pipe as ready only if so many fit; a socket may take fewer."""

Reading = Callable[[], bytes]
Writing = Callable[[bytearray], int]


def can_serve(source: BinaryIO, target: int) -> bool:
    """Return whether both ends are pipes or sockets, on a system with epoll.

    Of a file, epoll knows nothing. A terminal that is ready may still take less than a write holds; and what macOS
    means by ready was not tried.
    """
    if not hasattr(select, "epoll"):
        return False
    try:
        modes = [os.fstat(descriptor).st_mode for descriptor in (source.fileno(), target)]
    except OSError:
        return False
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


@contextmanager
def as_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """Yield the socket that a descriptor stands for, and leave it open afterwards; None for a pipe."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        yield None
        return
    found = socket.socket(fileno=descriptor)
    try:
        yield found
    finally:
        found.detach()


def reading(descriptor: int, end: socket.socket | None) -> Reading:
    """Return a function that reads what is there, empty at the end; BlockingIOError means that there is nothing yet."""
    if end is not None:
        return partial(end.recv, READ_BYTES, socket.MSG_DONTWAIT)
    return partial(os.read, descriptor, READ_BYTES)


def writing(descriptor: int, end: socket.socket | None) -> Writing:
    """Return a function that writes what fits of some bytes; BlockingIOError means that there is no room now."""
    if end is not None:
        return lambda data: end.send(data, socket.MSG_DONTWAIT)
    room = select.poll()
    room.register(descriptor, select.POLLOUT)

    def write(data: bytearray) -> int:
        if not room.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data)

    return write
