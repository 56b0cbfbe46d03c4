"""A child process: one line per request, with a deadline and a size limit.

Anything else that happens ends the program and raises an error that names it. Threads wait instead of the
caller. So this works on every system, and against a program that holds its pipe while C code hangs.
"""

from __future__ import annotations

import atexit
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

from ..protocol.errors import InvalidAnswerError, SubjectDiedError, SubjectTimeoutError, UnavailableError
from .guard import GUARD

_CHUNK: Final = 1 << 16
_STDERR_BYTES: Final = 1 << 14
"""Bytes of standard error that are kept."""
_STDERR_LINES: Final = 30
"""Lines of standard error that a message shows."""
_EXIT_SECONDS: Final = 5.0
"""Seconds for a program to end by itself after its input ended."""
_TRACEBACK_SECONDS: Final = 1.0
"""Seconds for a program that hangs to print a traceback."""
_NOTICE_SECONDS: Final = 1.0
"""Seconds to notice an end: a process closed its output, or was killed, or left its pipe to another."""


class ChildProcess:
    """A running program.

    Args:
        command: the program and its arguments.
        cwd: the folder that it runs in.
        env: its environment; this process's if None.

    Raises:
        UnavailableError: it cannot be started.
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
                start_new_session=True,  # so that the processes that it starts end with it
            )
        except OSError as error:
            raise UnavailableError(f"{command[0]} cannot be started: {error.strerror or error}") from None
        try:
            GUARD.watch(self._process.pid)
        except OSError as error:
            _kill(self._process)
            raise UnavailableError(f"{command[0]} cannot be guarded: {error.strerror or error}") from None
        self._requests: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stderr = bytearray()
        self._threads = [
            threading.Thread(target=self._exchange, daemon=True),
            threading.Thread(target=self._collect_stderr, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        weakref.finalize(self, _kill_if_running, self._process)  # also when this interpreter ends

    def ask(self, line: bytes, deadline: float, longest: int) -> bytes:
        """Write a line and await one.

        Args:
            line: with its newline.
            deadline: in seconds.
            longest: the most bytes that the answer may have.

        Returns:
            The answer without its newline.

        Raises:
            SubjectTimeoutError: nothing came in time.
            SubjectDiedError: the program ended.
            InvalidAnswerError: more came than an answer can have.
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
            raise InvalidAnswerError(f"over {longest} bytes without an end of line: {_abbreviate(answer)}")
        death = self._describe_death()
        if answer:
            raise InvalidAnswerError(
                f"half a line of {len(answer)} bytes: {_abbreviate(answer)}; then {death}"
            )
        raise death

    def _await(self, deadline: float) -> bytes:
        """Wait for bytes.

        There are none if the process is gone and another still holds its pipe.
        """
        end, gone = time.monotonic() + deadline, False
        while (left := end - time.monotonic()) > 0:
            try:
                return self._answers.get(timeout=min(left, _NOTICE_SECONDS))
            except queue.Empty:
                if gone:
                    return b""
                gone = self._process.poll() is not None
        self._request_traceback()
        raise SubjectTimeoutError(f"no answer within {deadline:g} s", self._stderr_tail())

    def _request_traceback(self) -> None:
        """Have our host's Python print a traceback.

        Any other program is about to be ended anyway.
        """
        if sys.platform != "win32":
            self._process.send_signal(signal.SIGUSR1)
            self._threads[1].join(_TRACEBACK_SECONDS)

    @property
    def printed(self) -> str:
        """The end of what the program wrote to its standard error, so far."""
        return self._stderr_tail()

    def _stderr_tail(self) -> str:
        return "\n".join(self._stderr.decode("utf-8", "replace").splitlines()[-_STDERR_LINES:])

    def _describe_death(self) -> SubjectDiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_NOTICE_SECONDS)
        code = self._process.poll()
        self.close(kill=True)
        what = "the process closed its output" if code is None else f"the process {_describe_exit(code)}"
        return SubjectDiedError(what, self._stderr_tail(), code)

    def close(self, *, kill: bool = False) -> None:
        """End the program: by the end of its input, or at once.

        Neither it nor what it has started outlives this.
        """
        self._requests.put(None)
        if not kill:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._threads[0].join(_EXIT_SECONDS)
                self._process.wait(_EXIT_SECONDS)
        _kill(self._process)
        GUARD.forget(self._process.pid)
        for thread, pipe in zip(self._threads, (self._process.stdout, self._process.stderr), strict=True):
            thread.join(_NOTICE_SECONDS)
            if not thread.is_alive() and pipe is not None:
                pipe.close()

    def _exchange(self) -> None:
        """Write and read instead of the caller.

        An answer without its newline is the last one.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        buffer = bytearray()
        while (item := self._requests.get()) is not None:
            line, longest = item
            with contextlib.suppress(OSError):  # it has ended; its output may still explain why
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

    def _collect_stderr(self) -> None:
        """Keep the end of standard error."""
        assert self._process.stderr is not None
        while chunk := self._process.stderr.read(_CHUNK):
            self._stderr += chunk
            del self._stderr[:-_STDERR_BYTES]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are such, its process group.

    The group may outlive the process.
    """
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_NOTICE_SECONDS)


def _kill_if_running(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _kill(process)
    GUARD.forget(process.pid)


# Before any program has its finalizer, so that it comes after them.
atexit.register(GUARD.close)


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _abbreviate(data: bytes) -> str:
    return ascii(data[:60].decode("ascii", "replace"))


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
