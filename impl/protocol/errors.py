"""The errors of a request to a subject, the same on both sides of the pipe.

`RejectedError`, `SkippedError` and `UnavailableError` are answers of the subject or its adapter.
`SubjectBrokenError` and the classes derived from it mean that no answer came.
"""

from __future__ import annotations


class SubjectError(Exception):
    """A subject's failure to do what a request asks for."""


class RejectedError(SubjectError):
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
    def from_exception(cls, error: BaseException) -> RejectedError:
        """Describe an exception that the subject raised."""
        kind = type(error)
        return cls(kind.__name__, tuple(base.__name__ for base in kind.__mro__), str(error))

    def is_a(self, name: str) -> bool:
        """Whether the exception is of the class of that name, or of one derived from it."""
        return name == self.type or name in self.bases

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class SkippedError(SubjectError):
    """The subject has no such part, or cannot do this; the message is the reason."""


class UnavailableError(SubjectError):
    """The subject cannot be reached here.

    The message is one line, with the command that helps.
    """


class UnsupportedDtypeError(UnavailableError):
    """The subject does not compute in that number format; the message is its own."""


class UnsupportedDeviceError(UnavailableError):
    """The device is not there, or the subject does not run on it."""


class UnknownSubjectError(SubjectError):
    """The name names no Adamax; the message says which names are right."""


class RequestRefusedError(SubjectError):
    """The other side found the request malformed."""


class SubjectBrokenError(SubjectError):
    """No answer came. The message says what happened.

    Attributes:
        stderr: the last lines that the process wrote to its standard error.
    """

    def __init__(self, what: str, stderr: str = "") -> None:
        super().__init__(f"{what}; its standard error ended with:\n{stderr}" if stderr else what)
        self.stderr = stderr


class SubjectDiedError(SubjectBrokenError):
    """The subject's process ended during a request.

    Attributes:
        returncode: the exit status; the negated signal if a signal ended it; None if it is not known.
    """

    def __init__(self, what: str, stderr: str = "", returncode: int | None = None) -> None:
        super().__init__(what, stderr)
        self.returncode = returncode


class SubjectTimeoutError(SubjectBrokenError):
    """No answer within the deadline; the process was ended."""


class InvalidAnswerError(SubjectBrokenError):
    """The answer does not fit the request; the process was ended."""
