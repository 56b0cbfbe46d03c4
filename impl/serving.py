"""How is a pipe served? Line by line, until there are no more."""

from __future__ import annotations

from typing import BinaryIO

from . import messages, protocol
from .dispatcher import Dispatcher
from .failures import RequestRefused, SubjectError
from .fields import Malformed, number
from .registry import open_adapter
from .values import Encoding


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in its turn; `stop` and the end of the input are the end."""
    dispatcher = Dispatcher(open_adapter)
    encoding = Encoding.HEX
    for line in requests:
        id_: int | None = None
        request: messages.Request | None = None
        try:
            value = protocol.parse(line)
            id_ = number(value, "id", "the request")
            request = protocol.decode_request(value)
            if isinstance(request, messages.Start):
                encoding = protocol.requested_encoding(value)
            answer = protocol.encode_answer(id_, dispatcher.answer(request), encoding)
        except Malformed as error:
            answer = protocol.encode_failure(id_, RequestRefused(str(error)))
        except SubjectError as error:
            answer = protocol.encode_failure(id_, error)
        answers.write(answer)
        answers.flush()
        if isinstance(request, messages.Stop):
            return
