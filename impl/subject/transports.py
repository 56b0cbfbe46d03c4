"""The ways of a request to a subject and back: over a pipe, or directly."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from ..adapters.base import Adapter
from ..adapters.registry import SubjectKind, SubjectName
from ..host.dispatcher import Dispatcher
from ..protocol import codec, messages
from ..protocol.errors import (
    InvalidAnswerError,
    RequestRefusedError,
    SubjectBrokenError,
    SubjectTimeoutError,
    UnavailableError,
)
from ..protocol.messages import Encoding
from ..protocol.validation import ProtocolError
from .process import ChildProcess

HOST: Final = Path(__file__).parents[1] / "host" / "main.py"

_BYTES_AT_LEAST: Final = 1 << 18
_BYTES_PER_ELEMENT: Final = 256
"""For theta, m, u and the gradient 64 characters each; `float.hex` writes 24 at most."""


@dataclass(frozen=True)
class Deadlines:
    """The seconds after which a subject counts as hung.

    Attributes:
        start: for the first answer, before which a framework is imported.
        request: for each answer after it.
    """

    start: float = 180.0
    request: float = 60.0


_ANSWERS: Final = 240
"""A subject's answers may take as long as so many deadlines in all: by default four hours."""


class TotalTime:
    """The time that a subject has for all its answers, however often it is started.

    Args:
        deadlines: the limits of each answer.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self.limit = _ANSWERS * deadlines.request
        self._left = self.limit

    @contextlib.contextmanager
    def spend(self, deadline: float) -> Iterator[float]:
        """Count the time of an answer, and yield its deadline.

        Raises:
            SubjectTimeoutError: no time is left.
        """
        if self._left <= 0:
            raise SubjectTimeoutError(f"its answers took {self.limit:g} s in all; --timeout raises that", "")
        began = time.monotonic()
        try:
            yield min(deadline, self._left)
        finally:
            self._left -= time.monotonic() - began


class Transport(Protocol):
    """A way to a subject; `SubjectBrokenError` makes it useless."""

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:
        """The answer to a request.

        Args:
            request: any request.
            elements: the number of elements of all parameters together.

        Raises:
            SubjectError: the answer is not a result, or did not come.
        """
        ...

    @property
    def printed(self) -> str:
        """The end of what the subject printed; empty if that is not kept."""
        ...

    def close(self) -> None:
        """End the subject."""
        ...


class InProcessTransport:
    """The dispatcher in this process, without protection from the subject."""

    def __init__(self, open_adapter: Callable[[messages.Start], Adapter]) -> None:
        self._dispatcher = Dispatcher(open_adapter)

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:  # noqa: ARG002
        """See `Transport`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nobody sees those of a child either
            return self._dispatcher.answer(request)

    @property
    def printed(self) -> str:
        """Nothing: what is printed here is the user's to see."""
        return ""

    def close(self) -> None:
        """See `Transport`."""
        self._dispatcher.answer(messages.Stop())


class ProcessTransport:
    """A child process: our host, or any program that speaks the protocol.

    Args:
        name: the subject's name.
        python: the interpreter for our host; this one if None.
        deadlines: the limits of the time for answers.
        total: the time for all answers; that of the deadlines if None.

    Raises:
        UnavailableError: the program cannot be started.
    """

    def __init__(
        self,
        name: SubjectName,
        python: str | None = None,
        deadlines: Deadlines | None = None,
        total: TotalTime | None = None,
    ) -> None:
        self._deadlines = deadlines or Deadlines()
        self._total = total or TotalTime(self._deadlines)
        self._ids = count(1)
        self._resources = contextlib.ExitStack()
        if name.kind is SubjectKind.PROCESS:
            self._encoding = Encoding.HEX
            self._child = ChildProcess(name.command)
            return
        self._encoding = Encoding.BASE64
        folder = None
        if name.is_builtin:
            # Frameworks leave files where they run.
            folder = self._resources.enter_context(
                tempfile.TemporaryDirectory(prefix="adamax-conformance-", ignore_cleanup_errors=True)
            )
        try:
            self._child = ChildProcess(
                [find_interpreter(python), str(HOST)], cwd=folder, env=_host_environment()
            )
        except UnavailableError:
            self._resources.close()
            raise

    @property
    def printed(self) -> str:
        """See `Transport`."""
        return self._child.printed

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:
        """See `Transport`."""
        id_ = next(self._ids)
        deadline = self._deadlines.request
        if isinstance(request, messages.Start):
            request = replace(request, encoding=self._encoding)
            deadline = self._deadlines.start
        line = codec.encode_request(id_, request, self._encoding)
        try:
            with self._total.spend(deadline) as seconds:
                answer = self._child.ask(line, seconds, _BYTES_AT_LEAST + _BYTES_PER_ELEMENT * elements)
            return codec.decode_answer(request, id_, answer)
        except ProtocolError as error:
            self.close(kill=True)
            raise InvalidAnswerError(str(error)) from None
        except RequestRefusedError as error:
            self.close(kill=True)
            raise InvalidAnswerError(f"it finds a request malformed: {error}") from None
        except SubjectBrokenError:
            self.close(kill=True)
            raise

    def close(self, *, kill: bool = False) -> None:
        """See `Transport`; `kill` ends the program at once."""
        self._child.close(kill=kill)
        self._resources.close()


def find_interpreter(python: str | None) -> str:
    """The path of an interpreter; this one's if there is no other."""
    if python is None:
        return sys.executable
    # The host runs in another folder; a link stays a link, which identifies an environment.
    return os.path.abspath(python) if os.path.dirname(python) else shutil.which(python) or python  # noqa: PTH100, PTH120


def _host_environment() -> dict[str, str]:
    """This process's environment, without the paths of this interpreter."""
    return {name: x for name, x in os.environ.items() if name not in {"PYTHONHOME", "__PYVENV_LAUNCHER__"}}
