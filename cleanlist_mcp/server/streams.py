"""The two streams of a connection: requests on their way in, answers on their way out.

The SDK drops lines that it cannot read, and clients wait for their answers in vain; here they are refused. It can go
once the SDK answers them: https://github.com/modelcontextprotocol/python-sdk/issues/2751
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import anyio
import anyio.to_thread
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from cleanlist_mcp.server.build import CleanlistServer

LAST_ANSWERS_SECONDS = 2.0
"""Seconds for the answers to requests that stood before the end of the input, and then for their reader."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_OLD_ENCODINGS = ("cp932", "gb18030", "big5hkscs", "cp949")
"""Encodings in which a quotation mark's or backslash's byte can be half of a letter, so that a line in one of them
is JSON in no other."""


def text_of(line: bytes | bytearray) -> str:
    """Return a client's line as text without any loss: bytes that are no UTF-8 become lone surrogates, which no JSON
    parser takes for letters. A byte order mark is dropped."""
    return line.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")


class Lines:
    """The client's lines as the SDK's loop takes them, each read in a thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> str:
        line = await anyio.to_thread.run_sync(self._file.readline)
        if not line:
            raise StopAsyncIteration
        return text_of(line)


class Answers:
    """A write stream of the SDK that knows which requests still wait for their answer."""

    def __init__(self, write_stream: Any) -> None:
        self._write = write_stream
        self._awaited: set[int | str] = set()
        self._answered = anyio.Event()

    def expect(self, request_id: int | str) -> None:
        """Note a request that has come in."""
        self._awaited.add(request_id)

    def forget(self, request_id: int | str) -> None:
        """Note that a request was answered, or needs no answer any more."""
        self._awaited.discard(request_id)
        self._answered.set()
        self._answered = anyio.Event()

    async def all_sent(self) -> None:
        """Wait until no request waits for its answer."""
        while self._awaited:
            await self._answered.wait()

    async def send(self, item: SessionMessage) -> None:
        await self._write.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError) and item.message.id is not None:
            self.forget(item.message.id)

    async def aclose(self) -> None:
        await self._write.aclose()

    async def __aenter__(self) -> "Answers":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.aclose()


class Requests:
    """A read stream of the SDK, except for what it would refuse or drop without an answer.

    Probes with `server/discover` before the first request are answered aside: to the SDK they decide the protocol
    era, and some clients send `initialize` after them. It can go once a probe leaves the era open:
    https://github.com/modelcontextprotocol/python-sdk/pull/3040
    Lines that are no message are refused if they name a request.
    """

    def __init__(self, server: CleanlistServer, read_stream: Any, answers: Answers) -> None:
        self._server = server
        self._read = read_stream
        self._answers = answers
        self._probing = True

    @property
    def last_context(self) -> Any:
        """Return the SDK's context of the message received last."""
        return getattr(self._read, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        while True:
            item = await self._next()
            if isinstance(item, Exception) and (refusal := _refusal(item)) is not None:
                await self._answers.send(refusal)
                continue
            if isinstance(item, SessionMessage) and _lacks_id(item.message):
                await self._answers.send(
                    _refused(None, "A request needs an id, a text or a whole number; nothing was done.")
                )
                continue
            if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCRequest):
                self._forget_cancelled(item)
                return item
            self._answers.expect(item.message.id)
            if not self._probing or item.message.method != "server/discover":
                self._probing = False
                return item
            await self._answers.send(await self._server.answer_alone(item))

    def _forget_cancelled(self, item: SessionMessage | Exception) -> None:
        """Expect no answer to a request that the client cancelled."""
        message = item.message if isinstance(item, SessionMessage) else None
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            request_id = (message.params or {}).get("requestId")
            if isinstance(request_id, int | str):
                self._answers.forget(request_id)

    async def _next(self) -> SessionMessage | Exception:
        try:
            item: SessionMessage | Exception = await self._read.receive()
            return item
        except anyio.EndOfStream:
            # The SDK drops what is under way when the input ends; a shell line that pipes requests in has
            # ended it before the first answer.
            with anyio.move_on_after(LAST_ANSWERS_SECONDS):
                await self._answers.all_sent()
            raise

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._read.aclose()

    async def __aenter__(self) -> "Requests":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.aclose()


_REQUESTS = re.compile(r"(?:tools|prompts|resources|completion|server)/.*|initialize|ping")


def _lacks_id(message: JSONRPCMessage) -> bool:
    """Return whether a message is a request in all but its id, such as null or 7.0: it came as a notification, which
    nobody answers."""
    return isinstance(message, JSONRPCNotification) and _REQUESTS.fullmatch(message.method) is not None


def _refusal(unreadable: Exception) -> SessionMessage | None:
    """Return the answer to a line that is no message, if it can be known which request it was meant to be.

    JavaScript hosts send such lines: half an emoji, cut by length, is valid to them and to no JSON parser that keeps
    to Unicode. Old programs on Windows send them in the system's own encoding.
    """
    if not isinstance(unreadable, ValidationError):
        return None
    for error in unreadable.errors(include_url=False, include_context=False):
        if len(error["loc"]) == 1 and isinstance(error["input"], list):
            return _refused(
                None, "A batch is not taken: send each request in a line of its own; nothing was done."
            )
        # The line itself, or, if it is JSON, the object in which a member is missing: nothing inside it.
        whole = not error["loc"] or (error["type"] == "missing" and len(error["loc"]) == 2)
        request_id = _request_id(error["input"]) if whole else None
        if request_id is not None:
            return _refused(
                request_id, "The request is not valid JSON-RPC, or not in UTF-8; nothing was done."
            )
    return None


def _refused(request_id: int | str | None, message: str) -> SessionMessage:
    error = ErrorData(code=INVALID_REQUEST, message=message)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error))


def _request_id(line: Any) -> int | str | None:
    """Return the id of a request, given as its line or as the object in it, if it has one that can be sent back."""
    for data in _readings(line):
        found = data.get("id") if isinstance(data, dict) and "method" in data else None
        if isinstance(found, str) and not any("\ud800" <= char <= "\udfff" for char in found):
            return found
        if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63:
            return found
    return None


def _readings(line: Any) -> Iterator[Any]:
    """Yield the object, or the values that the line is the JSON of in one encoding or another."""
    if not isinstance(line, str | bytes):
        yield line
        return
    for text in _texts(line):
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _texts(line: str | bytes) -> Iterator[str | bytes]:
    yield line
    if isinstance(line, str) and not line.isascii():
        try:
            written = line.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return  # lone surrogates of the client's own
        for encoding in _OLD_ENCODINGS:
            yield written.decode(encoding, "replace")
