"""How is a pipe served? Line by line, until there are no more."""

from __future__ import annotations

from typing import BinaryIO

from ..adapters.registry import open_adapter
from ..protocol import codec, messages
from ..protocol.errors import RequestRefused, SubjectError
from ..protocol.validation import Malformed, number
from ..protocol.values import Encoding
from .dispatcher import Dispatcher


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in its turn; `stop` and the end of the input are the end."""
    dispatcher = Dispatcher(open_adapter)
    encoding = Encoding.HEX
    for line in requests:
        id_: int | None = None
        request: messages.Request | None = None
        try:
            value = codec.parse(line)
            id_ = number(value, "id", "the request")
            request = codec.decode_request(value)
            if isinstance(request, messages.Start):
                encoding = codec.requested_encoding(value)
            answer = codec.encode_answer(id_, dispatcher.answer(request), encoding)
        except Malformed as error:
            answer = codec.encode_failure(id_, RequestRefused(str(error)))
        except SubjectError as error:
            answer = codec.encode_failure(id_, error)
        answers.write(answer)
        answers.flush()
        if isinstance(request, messages.Stop):
            return
