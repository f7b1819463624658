"""The ways in which an answer of the hostile API goes wrong, each a small function over one exchange."""

import gzip
import json
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from tests.hostile_api import Answer, HostileApi, Request, accepted, json_answer, problem

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
HANG_UP_WITHIN = 60.0
"""Seconds after which a request without an answer is given up here too."""


class Exchange:
    """One request on its connection. `over` ends the connection after it."""

    def __init__(self, api: HostileApi, connection: socket.socket, request: Request, fault: str) -> None:
        self.api = api
        self.request = request
        self.over = False
        self.attempt = api.account.note(request, fault) if request.paid else None
        self._connection = connection

    def work(self) -> Answer:
        """Do what the request asks for, and return what an honest API would answer."""
        return self.api.account.carry_out(self.request, self.attempt)

    def send(self, answer: Answer) -> None:
        """Write a whole answer."""
        self.write(answer.raw)

    def write(self, data: bytes) -> None:
        """Write these bytes and nothing else."""
        run = None if self.attempt is None else self.attempt.run
        if run is None or run.workflow_id.encode() not in data:
            self._connection.sendall(data)
            return
        run.told = True  # before it is: whoever reads it may be faster than this thread
        try:
            self._connection.sendall(data)
        except OSError:
            run.told = False
            raise

    def tell(self) -> None:
        """Count the run as told although its id does not stand in the bytes as it is."""
        if self.attempt is not None and self.attempt.run is not None:
            self.attempt.run.told = True

    def close(self) -> None:
        """Close the connection in order."""
        self.over = True

    def reset(self) -> None:
        """Break the connection off: what the other side sends or reads next fails."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True

    def wait_for_hang_up(self) -> None:
        """Say nothing until the other side has had enough."""
        self.over = True
        self._connection.settimeout(HANG_UP_WITHIN)
        with suppress(OSError):
            while self._connection.recv(1024):
                pass


Play = Callable[[Exchange], None]


@dataclass(frozen=True)
class Fault:
    """One exchange that goes wrong.

    `works` is True if the work is done all the same, `readable` if a careful client can read from the answer what was
    started.
    """

    name: str
    play: Play
    works: bool = False
    readable: bool = False


# ---- nothing wrong, or little


def _honest(exchange: Exchange) -> None:
    exchange.send(exchange.work())


NO_FAULT = Fault("none", _honest, works=True, readable=True)


def late(seconds: float) -> Fault:
    """An honest answer that takes its time."""

    def play(exchange: Exchange) -> None:
        answer = exchange.work()
        time.sleep(seconds)
        exchange.send(answer)

    return Fault(f"late by {seconds}", play, works=True, readable=True)


def closing(seconds: float) -> Fault:
    """An honest answer on a connection that is promised to stay, and is closed a moment later."""

    def play(exchange: Exchange) -> None:
        exchange.send(exchange.work())
        time.sleep(seconds)
        exchange.close()

    return Fault(f"closing after {seconds}", play, works=True, readable=True)


def _changed(name: str, change: Callable[[dict[str, Any]], object], *, readable: bool = True) -> Fault:
    """An honest answer with other figures or texts in it."""

    def play(exchange: Exchange) -> None:
        answer = exchange.work()
        data = json.loads(answer.body)
        change(data)
        exchange.send(json_answer(answer.status, data))

    return Fault(name, play, works=True, readable=readable)


def changed(**members: Any) -> Fault:
    """An honest answer in which these members have other values."""
    return _changed(f"changed {members}", lambda data: data.update(members))


HALF_SURROGATE = _changed("half surrogate", lambda data: data.update(agent_instructions="\ud83d"))
RESERVED_LESS = changed(credits_reserved=1)
RESERVED_MORE = changed(credits_reserved=999)
NO_RESERVATION = _changed("no reservation", lambda data: data.pop("credits_reserved", None))
FREE_QUOTE = changed(estimated_cost=0)
GOING_BACK = changed(status="running", credits_charged=None, credits_refunded=None, result=None)


# ---- nothing is done


def _before(name: str, play: Play) -> Fault:
    return Fault(name, play)


def refusing(status: int, code: str, **more: Any) -> Fault:
    """A refusal in the API's own shape, before anything is done."""
    return _before(f"{status} {code}", lambda exchange: exchange.send(problem(status, code, **more)))


RESET_BEFORE = _before("reset before", Exchange.reset)
CLOSED_BEFORE = _before("closed before", Exchange.close)
SILENT_BEFORE = _before("silent before", Exchange.wait_for_hang_up)
ERROR_BEFORE = refusing(500, "server_error")
HTML_BEFORE = _before("HTML 502 before", lambda exchange: exchange.send(Answer(502, HTML, "text/html")))
TOO_MANY = refusing(429, "rate_limited", retryable=True, retry_after_ms=20)
TOO_MANY_HTML = _before(
    "HTML 429", lambda exchange: exchange.send(Answer(429, HTML, "text/html", {"Retry-After": "0"}))
)
BUSY = refusing(503, "busy", retryable=True)


# ---- the work is done, and the answer is lost or says something else


def _after(name: str, play: Callable[[Exchange, Answer], None], *, readable: bool = False) -> Fault:
    return Fault(name, lambda exchange: play(exchange, exchange.work()), works=True, readable=readable)


def _truncated(exchange: Exchange, answer: Answer) -> None:
    exchange.write(answer.raw[: -len(answer.body) // 2])
    exchange.close()


def _zipped(exchange: Exchange, answer: Answer) -> None:
    exchange.tell()
    exchange.send(replace(answer, body=gzip.compress(answer.body), headers={"Content-Encoding": "gzip"}))


RESET_AFTER = _after("reset after", lambda exchange, answer: exchange.reset())
CLOSED_AFTER = _after("closed after", lambda exchange, answer: exchange.close())
SILENT_AFTER = _after("silent after", lambda exchange, answer: exchange.wait_for_hang_up())
ERROR_AFTER = _after("500 after", lambda exchange, answer: exchange.send(problem(500, "server_error")))
HTML_AFTER = _after("HTML 502 after", lambda exchange, answer: exchange.send(Answer(502, HTML, "text/html")))
UNREADABLE_AFTER = _after("unreadable 200", lambda exchange, answer: exchange.send(Answer(200, b"{]")))
TRUNCATED_AFTER = _after("truncated 200", _truncated)
GZIP = _after("gzip", _zipped)


def hiding(status: int, code: str, *, with_id: bool = False) -> Fault:
    """A gateway that sends the request twice and passes on the second answer: a refusal, though a run started."""

    def play(exchange: Exchange, answer: Answer) -> None:
        run = exchange.attempt.run if exchange.attempt else None
        named: dict[str, Any] = {}
        if run is not None and with_id:
            named = {"details": {"workflow_id": run.workflow_id}, "workflow_id": run.workflow_id}
        exchange.send(problem(status, code, **named))

    return _after(f"{status} {code} after{' with its id' if with_id else ''}", play)


def _and_a_copy(exchange: Exchange) -> None:
    runs = list(exchange.api.account.runs)
    copy = json_answer(200, accepted(runs[-1])).raw if runs else b""
    exchange.write(exchange.work().raw + copy)


SUPERFLUOUS = Fault("superfluous answer", _and_a_copy, works=True, readable=True)
"""An honest answer, and in the same piece a copy of what was said about the newest run before it: whoever keeps the
connection takes that for the answer to the next request."""

LEFT_OVER = Fault(
    "bytes left over",
    lambda exchange: exchange.write(exchange.work().raw + b"\r\n}}"),
    works=True,
    readable=True,
)
"""An honest answer that is longer than it says."""


def _with_foreign_id(exchange: Exchange, answer: Answer) -> None:
    run = exchange.attempt.run if exchange.attempt else None
    # An id that the servers have written down, since they asked for it: nobody could say whose another one is.
    others = [
        other
        for other in exchange.api.account.runs
        if (run is None or other.key != run.key) and other.looked_at
    ]
    if run is None or not others:
        exchange.send(answer)
        return
    exchange.send(json_answer(200, accepted(replace(run, workflow_id=others[-1].workflow_id))))


FOREIGN_ID = _after("the id of other work", _with_foreign_id)
