"""A guard process that ends the programs of this process, if it is killed.

A host notices the end of its input only between two requests. One that hangs in C code, and whatever a subject
has started, would outlive a killed parent. The guard waits for the end of its own input, which comes however
this process ends, and then kills the process groups that are left. It imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import Final

_PROGRAM: Final = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""
_SECONDS: Final = 5.0


class Guard:
    """The guard of this process; it starts with the first program.

    A system without process groups has none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Have a process group ended with this process.

        Raises:
            OSError: the guard cannot be started.
        """
        if sys.platform == "win32" or not sys.executable:
            return
        with self._lock:
            if self._owner != os.getpid():  # the first time, or in a fork
                self._owner, self._process = os.getpid(), None
                self._groups.clear()
            self._groups.add(group)
            if self._process is None or self._process.poll() is not None or not self._tell(f"+{group}\n"):
                self._start()

    def forget(self, group: int) -> None:
        """Take note that a process group has ended."""
        with self._lock:
            if group in self._groups and self._owner == os.getpid():
                self._groups.remove(group)
                self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard."""
        with self._lock:
            if self._owner == os.getpid():
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS)
            self._process = None

    def _start(self) -> None:
        self._end()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # so that an interrupt from the terminal does not reach it
        )
        self._tell("".join(f"+{group}\n" for group in self._groups))

    def _tell(self, lines: str) -> bool:
        """Whether the guard is there to read."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(lines.encode())
        except OSError:
            return False
        return True


GUARD: Final = Guard()
"""The guard of this process."""
