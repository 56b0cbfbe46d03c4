"""How is a program asked so that it can neither hang, nor crash, nor flood the one who asks?

One request is written, one line is awaited, with a deadline and a limit on its length. Whatever else happens
ends the program and is told as what it is. Threads wait in place of the caller, so that this works on every
system, and against a program that holds its pipe in a hang of C code.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Final

from ..protocol.errors import SubjectDied, SubjectGarbled, SubjectHung, Unavailable

_CHUNK: Final = 1 << 16
_LAST_WORDS: Final = 1 << 14
"""Bytes of standard error that are kept."""
_LAST_LINES: Final = 30
_ENDING: Final = 5.0
"""Seconds for a program to end by itself after its input ended."""
_TELLING: Final = 1.0
"""Seconds for a program that hangs to tell where."""
_VANISHING: Final = 1.0
"""Seconds for what is over to be noticed: a process that closed its output, or was killed, or left its pipe
to another."""


class Child:
    """A running program.

    Args:
        command: the program and its arguments.
        cwd: the folder that it runs in.
        env: its environment; this process's where None.

    Raises:
        Unavailable: it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=env,
                start_new_session=True,  # so that what it starts can be ended with it
            )
        except OSError as error:
            raise Unavailable(f"{command[0]} cannot be started: {error.strerror or error}") from None
        self._requests: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._said = bytearray()
        self._threads = [
            threading.Thread(target=self._exchange, daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        weakref.finalize(self, _kill_what_runs, self._process)  # also where this interpreter ends

    def ask(self, line: bytes, deadline: float, longest: int) -> bytes:
        """Write a line and await one.

        Args:
            line: with its newline.
            deadline: in seconds.
            longest: bytes that the answer may have.

        Returns:
            The answer without its newline.

        Raises:
            SubjectHung: nothing came in time.
            SubjectDied: the program ended.
            SubjectGarbled: more came than an answer can have.
        """
        self._requests.put((line, longest))
        try:
            answer = self._await(deadline)
        except BaseException:
            self.close(kill=True)  # nobody waits for the answer any more
            raise
        if answer.endswith(b"\n"):
            return answer[:-1]
        if len(answer) > longest:
            self.close(kill=True)
            raise SubjectGarbled(f"over {longest} bytes without an end of line: {_shown(answer)}")
        death = self._death()
        if answer:
            raise SubjectGarbled(f"half a line of {len(answer)} bytes: {_shown(answer)}; then {death}")
        raise death

    def _await(self, deadline: float) -> bytes:
        """What comes; empty where the process is gone and another still holds its pipe."""
        end = time.monotonic() + deadline
        while (left := end - time.monotonic()) > 0:
            gone = self._process.poll() is not None
            try:
                return self._answers.get(timeout=min(left, _VANISHING))
            except queue.Empty:
                if gone:
                    return b""
        self._ask_where()
        raise SubjectHung(f"no answer within {deadline:g} s", self._last_words())

    def _ask_where(self) -> None:
        """Have our host's Python tell its place; any other program is about to be ended anyway."""
        if sys.platform != "win32":
            self._process.send_signal(signal.SIGUSR1)
            self._threads[1].join(_TELLING)

    def _last_words(self) -> str:
        return "\n".join(self._said.decode("utf-8", "replace").splitlines()[-_LAST_LINES:])

    def _death(self) -> SubjectDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_VANISHING)
        code = self._process.poll()
        self.close(kill=True)
        what = "the process closed its output" if code is None else f"the process {_ended(code)}"
        return SubjectDied(what, self._last_words(), code)

    def close(self, *, kill: bool = False) -> None:
        """End the program: by the end of its input, or at once; it never outlives this."""
        self._requests.put(None)
        if not kill:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._threads[0].join(_ENDING)
                self._process.wait(_ENDING)
        if kill or self._process.poll() is None:
            _kill(self._process)
        for thread, pipe in zip(self._threads, (self._process.stdout, self._process.stderr), strict=True):
            thread.join(_VANISHING)
            if not thread.is_alive() and pipe is not None:
                pipe.close()

    def _exchange(self) -> None:
        """Write and read in place of the caller; an answer without its newline is the last one."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        buffer = bytearray()
        while (item := self._requests.get()) is not None:
            line, longest = item
            with contextlib.suppress(OSError):  # it has ended; its output may still say what happened
                _write_all(stdin, line)
            end = buffer.find(b"\n") + 1
            while not end and len(buffer) <= longest and (chunk := stdout.read(_CHUNK)):
                end = len(buffer) + chunk.find(b"\n") + 1 if b"\n" in chunk else 0
                buffer += chunk
            self._answers.put(bytes(buffer[: end or len(buffer)]))
            if not end:
                break
            del buffer[:end]
        with contextlib.suppress(OSError):
            stdin.close()

    def _listen(self) -> None:
        """Keep the end of what is written to standard error."""
        assert self._process.stderr is not None
        while chunk := self._process.stderr.read(_CHUNK):
            self._said += chunk
            del self._said[:-_LAST_WORDS]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are process groups, what it has started: also after its own end."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_VANISHING)


def _kill_what_runs(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _kill(process)


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _shown(data: bytes) -> str:
    return ascii(data[:60].decode("ascii", "replace"))


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
