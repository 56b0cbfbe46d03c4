"""The loop of the child process, which answers a pipe line by line."""

from __future__ import annotations

from typing import BinaryIO

from ..adapters.registry import open_adapter
from ..protocol import codec, messages
from ..protocol.errors import RequestRefusedError, SubjectError
from ..protocol.validation import ProtocolError, require_id
from .dispatcher import Dispatcher


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in its turn, until `stop` or the end of the input."""
    dispatcher = Dispatcher(open_adapter)
    encoding = messages.Encoding.HEX
    for line in requests:
        id_: int | None = None
        request: messages.Request | None = None
        try:
            value = codec.parse_line(line)
            id_ = require_id(value, "the request")
            request = codec.decode_request(value)
            if isinstance(request, messages.Start):
                encoding = request.encoding
            answer = codec.encode_answer(id_, dispatcher.answer(request), encoding)
        except ProtocolError as error:
            answer = codec.encode_error(id_, RequestRefusedError(str(error)))
        except SubjectError as error:
            answer = codec.encode_error(id_, error)
        answers.write(answer)
        answers.flush()
        if isinstance(request, messages.Stop):
            return
