"""By which way does a request reach a subject, and its answer come back? Over a pipe, or directly."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from ..adapters.base import Adapter
from ..adapters.registry import Kind, Named
from ..host.dispatcher import Dispatcher
from ..protocol import codec, messages
from ..protocol.errors import RequestRefused, SubjectBroken, SubjectGarbled, Unavailable
from ..protocol.validation import Malformed
from ..protocol.values import Encoding
from .process import Child

HOST: Final = Path(__file__).parents[1] / "host" / "main.py"

_BYTES_AT_LEAST: Final = 1 << 18
_BYTES_PER_ELEMENT: Final = 256
"""theta, m, u and the gradient, with room for 64 characters each; `float.hex` writes 24 at most."""


@dataclass(frozen=True)
class Deadlines:
    """How long is waited, in seconds, before a subject is taken to hang.

    Attributes:
        start: for the first answer: a framework is imported.
        request: for each answer after it.
    """

    start: float = 180.0
    request: float = 60.0


class Transport(Protocol):
    """A way to a subject. After `SubjectBroken` it is of no more use."""

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:
        """The answer to a request.

        Args:
            request: what is asked.
            elements: how many an array of the answer may have, all parameters together.

        Raises:
            SubjectError: there is no result.
        """
        ...

    def close(self) -> None:
        """End the subject."""
        ...


class Direct:
    """The dispatcher in this very process: nothing is encoded, and nothing protects from the subject."""

    def __init__(self, open_adapter: Callable[[messages.Start], Adapter]) -> None:
        self._dispatcher = Dispatcher(open_adapter)

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:  # noqa: ARG002
        """See `Transport`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a child's are not seen either
            return self._dispatcher.answer(request)

    def close(self) -> None:
        """See `Transport`."""
        self._dispatcher.answer(messages.Stop())


class Piped:
    """A program of its own: our host in some interpreter, or anyone's that speaks the protocol.

    Args:
        named: the subject.
        python: the interpreter for our host; this one where None.
        deadlines: how long is waited.

    Raises:
        Unavailable: the program cannot be started.
    """

    def __init__(self, named: Named, python: str | None = None, deadlines: Deadlines | None = None) -> None:
        self._deadlines = deadlines or Deadlines()
        self._ids = count(1)
        self._resources = contextlib.ExitStack()
        if named.kind is Kind.PROCESS:
            self._encoding = Encoding.HEX
            self._child = Child(named.command)
            return
        self._encoding = Encoding.BASE64
        folder = None
        if named.is_builtin:
            # Frameworks leave files where they run.
            folder = self._resources.enter_context(
                tempfile.TemporaryDirectory(prefix="adamax-conformance-", ignore_cleanup_errors=True)
            )
        try:
            self._child = Child([_interpreter(python), str(HOST)], cwd=folder, env=_environment())
        except Unavailable:
            self._resources.close()
            raise

    def ask(self, request: messages.Request, elements: int = 0) -> messages.Answer:
        """See `Transport`."""
        id_ = next(self._ids)
        line = codec.encode_request(id_, request, self._encoding)
        is_start = isinstance(request, messages.Start)
        deadline = self._deadlines.start if is_start else self._deadlines.request
        try:
            answer = self._child.ask(line, deadline, _BYTES_AT_LEAST + _BYTES_PER_ELEMENT * elements)
            return codec.decode_answer(request, id_, answer)
        except Malformed as error:
            self.close(kill=True)
            raise SubjectGarbled(str(error)) from None
        except RequestRefused as error:
            self.close(kill=True)
            raise SubjectGarbled(f"it finds a request malformed: {error}") from None
        except SubjectBroken:
            self.close(kill=True)
            raise

    def close(self, *, kill: bool = False) -> None:
        """See `Transport`; `kill` ends the program at once."""
        self._child.close(kill=kill)
        self._resources.close()


def _interpreter(python: str | None) -> str:
    if python is None:
        return sys.executable
    # The host runs in another folder; a link stays one, for an environment's interpreter is known by it.
    return os.path.abspath(python) if os.path.dirname(python) else shutil.which(python) or python  # noqa: PTH100, PTH120


def _environment() -> dict[str, str]:
    """This process's, without what tells this interpreter, and would mislead another, where it lives."""
    return {name: x for name, x in os.environ.items() if name not in {"PYTHONHOME", "__PYVENV_LAUNCHER__"}}
