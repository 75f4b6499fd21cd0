"""Lines through a pipe whose ends never block: neither side waits for a slow or dead other one."""

from __future__ import annotations

import contextlib
import os
import threading


class Outlet:
    """The end that is written to. Any thread may use it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._left = b""
        """What the pipe had no room for."""
        self._lock = threading.Lock()

    def send(self, line: bytes) -> None:
        """Write `line`. What finds no room now is written before anything else later."""
        with self._lock:
            self._left += line + b"\n"
            self._flush()

    def offer(self, line: bytes) -> bool:
        """Write `line` unless the reader lags behind: then forget it, and return False."""
        with self._lock:
            self._flush()
            if self._left:
                return False
            self._left = line + b"\n"
            self._flush()
            return True

    def close(self) -> None:
        os.close(self.descriptor)

    def _flush(self) -> None:
        try:
            while self._left:
                self._left = self._left[os.write(self.descriptor, self._left) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # nobody reads any more
            self._left = b""


class Inlet:
    """The end that is read from."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""
        """The beginning of a line whose end has not come."""

    def lines(self) -> list[bytes]:
        """Those that have come since, whole."""
        *lines, self._rest = (self._rest + drained(self.descriptor)).split(b"\n")
        return lines

    def close(self) -> None:
        os.close(self.descriptor)


def pipe() -> tuple[int, int]:
    """Its two ends: to read from, and to write to."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def drained(read: int) -> bytes:
    """All that has come."""
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(read, 65536):
            parts.append(part)
    return b"".join(parts)
