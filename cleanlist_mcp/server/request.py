"""Requests as they come over the wire: what clients write oddly and what is meant all the same. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from cleanlist_mcp.server.reading import means_nothing

_ACTIONS = ("accept", "decline", "cancel")
"""The ways to answer a dialog."""

_TAKE_ARGUMENTS = ("tools/call", "prompts/get")


def understood(method: str, params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the parameters of a request as they are meant: odd `_meta` left out, `arguments` an object.

    Raises:
        MCPError: naming what cannot be understood.
    """
    if method in _TAKE_ARGUMENTS and not isinstance((params or {}).get("name"), str):
        raise MCPError(code=INVALID_PARAMS, message="params has no name that is a text; nothing was done.")
    if params is None:
        return None
    plain = dict(params)
    _understand_meta(plain)
    if method in _TAKE_ARGUMENTS:
        _understand_arguments(plain)
    if method == "prompts/get":
        _leave_out_blanks(plain)
    if isinstance(plain.get("inputResponses"), dict):
        plain["inputResponses"] = {
            key: _dialog_answer(answer) for key, answer in plain["inputResponses"].items()
        }
    return plain


def _understand_meta(params: dict[str, Any]) -> None:
    """Take out `_meta` that is no object and a progress token that is none: neither asks for anything."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        params.pop("_meta", None)
        return
    token = meta.get("progressToken", "")
    if isinstance(token, bool) or not isinstance(token, str | int):
        params["_meta"] = {name: value for name, value in meta.items() if name != "progressToken"}


def _understand_arguments(params: dict[str, Any]) -> None:
    """Put an object in the place of arguments that were left out in another way, or sent as their JSON.

    Raises:
        MCPError: for anything else.
    """
    given = params.get("arguments")
    if isinstance(given, str) and not means_nothing(given):
        given = _from_json(given)
    if given is None or given == [] or isinstance(given, str):
        given = {}
    if not isinstance(given, dict):
        message = "arguments is neither an object nor the JSON text of one; nothing was done. Send an object."
        raise MCPError(code=INVALID_PARAMS, message=message)
    params["arguments"] = given


def _from_json(text: str) -> Any:
    """Return the value that a text is the JSON of, also twice over; a text that is no JSON comes back as False."""
    found: Any = text
    while isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return False
    return found


def _leave_out_blanks(params: dict[str, Any]) -> None:
    """Leave out a prompt's arguments that were given as nothing; numbers become the texts that prompts take."""
    given = params["arguments"].items()
    params["arguments"] = {
        name: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in given
        if not means_nothing(value)
    }


def _dialog_answer(answer: Any) -> dict[str, Any]:
    """Return a dialog's answer in a form that can be looked at: one without content is one with nothing ticked, and
    one without a known action is no answer."""
    if not isinstance(answer, dict) or answer.get("action") not in _ACTIONS:
        return {"action": "cancel"}
    content = answer.get("content")
    return answer | {"content": content if isinstance(content, dict) else {}}
