"""HTTP/1.1 that waits no longer for the head of a request than for a body, nor for ever until an answer is taken."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Within this the head of a request is there as a whole, counted from its first byte or the start of the connection."""

WRITE_SECONDS = 30.0
"""Within this a client takes at least something of what waits for it: longer than a lost packet holds up a connection,
and shorter than a call."""


class PromptProtocol(H11Protocol):
    """Uvicorn's protocol with limits that it has not: a few bytes a minute, or none taken, would hold a connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head, and be called back for every byte that the client does not take."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._wait()

    def pause_writing(self) -> None:
        """Begin to watch whether the client takes what waits for it."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Stop watching: all of it is taken."""
        self._stop_watching_writing()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what came; if it is the beginning of a head, wait for its rest."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_waiting()
        elif self._head is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._stop_watching_writing()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.abort()

    def _watch_writing(self) -> None:
        self._stop_watching_writing()
        waiting = self.transport.get_write_buffer_size()
        self._writing = self.loop.call_later(WRITE_SECONDS, self._look_at_writing, waiting)

    def _stop_watching_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _look_at_writing(self, before: int) -> None:
        """Cut the connection if nothing was taken; nothing is added to what waits until all of it is."""
        if self.transport.get_write_buffer_size() < before:
            self._watch_writing()
        else:
            self.transport.abort()
