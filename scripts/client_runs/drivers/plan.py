"""The calls that each client makes, and the line in which its driver reports them."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

CALLS = {
    "whoami": ("whoami", {}),
    "estimate": ("estimate", {"list_id": "Q3 Prospects"}),
    "wrong": ("estimate", {"list_id": "A list that nobody made"}),
}


def server() -> dict[str, Any]:
    """Return the command, args and env that the server is started with."""
    return json.loads(sys.argv[1])


async def play(tools: Iterable[str], call: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> None:
    """Make the calls and print what came; what a client raises is its caller's answer too."""
    said = {"tools": list(tools)}
    for name, (tool, arguments) in CALLS.items():
        try:
            said[name] = text_of(await call(tool, arguments))
        except Exception as exc:
            said[name] = f"raised {type(exc).__name__}: {exc}"
    print(json.dumps(said))


def text_of(answer: Any) -> str:
    """Return the text in an answer, which libraries wrap in blocks, lists and objects of their own."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, (list, tuple)):
        return "\n".join(text_of(part) for part in answer)
    if isinstance(answer, dict):
        return str(answer["text"]) if isinstance(answer.get("text"), str) else json.dumps(answer, default=str)
    for name in ("text", "content", "value", "result"):
        if isinstance(inner := getattr(answer, name, None), (str, list, tuple)):
            return text_of(inner)
    return str(answer)
