"""How can asking a subject fail? One exception for each way, the same on both sides of the pipe.

`Rejected`, `Skipped` and `Unavailable` are answers: the subject, or its adapter, said so. `SubjectBroken` and
what derives from it means that no answer came.
"""

# ruff: noqa: N818 - an exception here is named for what the subject did

from __future__ import annotations


class SubjectError(Exception):
    """Whatever a subject does instead of what it was asked."""


class Rejected(SubjectError):
    """The subject's constructor, step or setter raised an exception.

    Attributes:
        type: the name of the exception's class.
        bases: the names of that class and of all that it derives from, in Python's order.
        message: what the exception says.
        changed: whether parameters were changed before it was raised.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        bases: tuple[str, ...],
        message: str,
        *,
        changed: bool = False,
    ) -> None:
        super().__init__(type, bases, message)
        self.type = type
        self.bases = bases
        self.message = message
        self.changed = changed

    @classmethod
    def from_exception(cls, error: BaseException) -> Rejected:
        """What is told of an exception that the subject raised."""
        kind = type(error)
        return cls(kind.__name__, tuple(base.__name__ for base in kind.__mro__), str(error))

    def is_a(self, name: str) -> bool:
        """Whether the exception is of the class of that name, or of one derived from it."""
        return name == self.type or name in self.bases

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class Skipped(SubjectError):
    """The subject has no such part, or says that it cannot; the message is the reason."""


class Unavailable(SubjectError):
    """The subject cannot be reached here; the message is one line, with the command that would help."""


class UnsupportedDtype(Unavailable):
    """The subject does not compute in that number format; the message has its own words."""


class UnsupportedDevice(Unavailable):
    """The device is not there, or the subject does not run on it."""


class UnknownSubject(SubjectError):
    """The name names no subject; the message says what would."""


class RequestRefused(SubjectError):
    """The other side found a request malformed."""


class SubjectBroken(SubjectError):
    """No answer came. The message says what happened.

    Attributes:
        stderr: the last lines that the process wrote to its standard error.
    """

    def __init__(self, what: str, stderr: str = "") -> None:
        super().__init__(f"{what}; its last words:\n{stderr}" if stderr else what)
        self.stderr = stderr


class SubjectDied(SubjectBroken):
    """The subject's process ended in the middle.

    Attributes:
        returncode: the exit status; the negated signal where a signal ended it; None where it is not known.
    """

    def __init__(self, what: str, stderr: str = "", returncode: int | None = None) -> None:
        super().__init__(what, stderr)
        self.returncode = returncode


class SubjectHung(SubjectBroken):
    """No answer within the deadline; the process was ended."""


class SubjectGarbled(SubjectBroken):
    """What came is no answer to what was asked; the process was ended."""
