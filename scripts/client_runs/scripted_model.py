"""A model endpoint on loopback that plays a script, in the four dialects that agents speak.

It answers OpenAI's Responses and Chat Completions, Gemini's generateContent and Anthropic's Messages, streamed if
the request asks for that. What the model would have read of its tools is kept in `read`, as text; all text of the last
request that offered tools, in `told`.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool that the model wants to use, by the server's own name for it."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Read:
    """The text that a tool's result left in the conversation."""

    tool: str
    text: str


Script = Callable[[Sequence[Read]], Call | str]
"""The next call, or the closing words, for what was read so far."""


class ScriptedModel:
    """A context manager that serves `script`; `address` is where, without a path."""

    def __init__(self, script: Script) -> None:
        self.script, self.read = script, list[Read]()
        self.told = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ScriptedModel":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self, read: list[Read], offered: Sequence[str]) -> Call | str:
        """Return the script's next step, with the tool named as this client offers it."""
        if len(read) >= len(self.read):
            self.read = read
        step = self.script(read)
        return Call(named_here(step.tool, offered), step.arguments) if isinstance(step, Call) else step


def named_here(tool: str, offered: Sequence[str]) -> str:
    """Return the offered name that ends in `tool`: some clients put the server's name before it."""
    fitting = [name for name in offered if name.endswith(tool)]
    return min(fitting, key=len) if fitting else tool


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply("application/json", b'{"object": "list", "data": [], "models": []}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "{}")
            if body.get("tools"):
                model.told = "\n".join(strings(body))
            if "/v1/messages" in self.path:
                self.reply(*messages(model, body))
            elif "/responses" in self.path:
                self.reply(*responses(model, body))
            elif "/chat/completions" in self.path:
                self.reply(*completions(model, body))
            else:
                self.reply(*gemini(model, body, streamed="stream" in self.path))

        def reply(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the run prints its own lines."""

    return Handler


def plain(content: Any) -> str:
    """Return the text of a tool's result, which clients wrap in strings, parts and lists of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(plain(part) for part in content)
    if isinstance(content, dict):
        for name in ("text", "output"):
            if isinstance(content.get(name), str):
                return str(content[name])
    return json.dumps(content, ensure_ascii=False)


def strings(value: Any) -> list[str]:
    """Return every string in a JSON value, at whatever depth."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in strings(one)]


def streamed_events(events: Sequence[Mapping[str, Any]]) -> tuple[str, bytes]:
    """Return server-sent events, each under the name of its type if it has one."""
    lines = [
        (f"event: {event['type']}\n" if "type" in event else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "text/event-stream", "".join(lines).encode()


# OpenAI's Responses: the Agents SDK, Codex, the AI SDK's provider


def responses(model: ScriptedModel, body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Answer a request for a response."""
    items = body["input"] if isinstance(body["input"], list) else []
    tools = {item["call_id"]: item["name"] for item in items if item.get("type") == "function_call"}
    read = [
        Read(tools.get(item["call_id"], "?"), plain(item["output"]))
        for item in items
        if item.get("type") == "function_call_output"
    ]
    offered = _offered(body.get("tools", []))
    item = _response_item(model.next(read, list(offered)), len(read), offered)
    answer = _response(body, item)
    if not body.get("stream"):
        return "application/json", json.dumps(answer).encode()
    return streamed_events(
        [
            {"type": "response.created", "response": answer | {"status": "in_progress", "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": answer},
        ]
    )


def _offered(tools: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return each function's name with the namespace that it stands in, if any."""
    named: dict[str, str | None] = {}
    for tool in tools:
        if tool.get("type") == "namespace":
            named |= {inner["name"]: tool["name"] for inner in tool.get("tools", [])}
        elif "name" in tool:
            named[tool["name"]] = None
    return named


def _response_item(step: Call | str, turn: int, offered: Mapping[str, str | None]) -> dict[str, Any]:
    if isinstance(step, str):
        text = {"type": "output_text", "text": step, "annotations": []}
        return {
            "type": "message",
            "id": f"msg_{turn}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
    called = {
        "type": "function_call",
        "id": f"fc_{turn}",
        "call_id": f"call_{turn}",
        "name": step.tool,
        "arguments": json.dumps(step.arguments),
        "status": "completed",
    }
    namespace = offered.get(step.tool)
    return called | ({"namespace": namespace} if namespace else {})


def _response(body: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    usage = {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": body.get("model", "scripted"),
        "output": [item],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "usage": usage,
    }


# OpenAI's Chat Completions: LangChain


def completions(model: ScriptedModel, body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Answer a request for a completion; none of the clients here asks for a stream of them."""
    calls = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
    tools = {call["id"]: call["function"]["name"] for call in calls}
    read = [
        Read(tools.get(message["tool_call_id"], "?"), plain(message["content"]))
        for message in body["messages"]
        if message["role"] == "tool"
    ]
    offered = [tool["function"]["name"] for tool in body.get("tools", [])]
    step = model.next(read, offered)
    choice = {"index": 0, "message": _chat_message(step, len(read)), "finish_reason": "stop"}
    if isinstance(step, Call):
        choice["finish_reason"] = "tool_calls"
    answer = {
        "id": "chat_1",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", "scripted"),
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return "application/json", json.dumps(answer).encode()


def _chat_message(step: Call | str, turn: int) -> dict[str, Any]:
    if isinstance(step, str):
        return {"role": "assistant", "content": step}
    function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
    call = {"id": f"call_{turn}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


# Gemini's generateContent: Gemini CLI


def gemini(model: ScriptedModel, body: Mapping[str, Any], *, streamed: bool) -> tuple[str, bytes]:
    """Answer a request for content; one without tools is the client's own housekeeping."""
    parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
    read = [
        Read(part["functionResponse"]["name"], plain(part["functionResponse"]["response"]))
        for part in parts
        if "functionResponse" in part
    ]
    offered = [
        function["name"]
        for tool in body.get("tools", [])
        for function in tool.get("functionDeclarations", [])
    ]
    step: Call | str = model.next(read, offered) if offered else "{}"
    part: dict[str, Any] = {"text": step}
    if isinstance(step, Call):
        part = {"functionCall": {"name": step.tool, "args": step.arguments}}
    answer = {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    }
    return streamed_events([answer]) if streamed else ("application/json", json.dumps(answer).encode())


# Anthropic's Messages: Claude Code


def messages(model: ScriptedModel, body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Answer a request for a message; one without tools is the client's own housekeeping."""
    blocks = [
        block
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    tools = {block["id"]: block["name"] for block in blocks if block["type"] == "tool_use"}
    read = [
        Read(tools.get(block["tool_use_id"], "?"), plain(block.get("content", "")))
        for block in blocks
        if block["type"] == "tool_result"
    ]
    offered = [tool["name"] for tool in body.get("tools", [])]
    answer = _message(model.next(read, offered) if offered else "{}", len(read), body)
    if not body.get("stream"):
        return "application/json", json.dumps(answer).encode()
    return streamed_events(_message_events(answer))


def _message(step: Call | str, turn: int, body: Mapping[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": step}
    if isinstance(step, Call):
        block = {"type": "tool_use", "id": f"toolu_{turn}", "name": step.tool, "input": dict(step.arguments)}
    return {
        "id": f"msg_{turn}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "scripted"),
        "content": [block],
        "stop_reason": "tool_use" if isinstance(step, Call) else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _message_events(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a message of one block, which comes empty and is then filled."""
    (block,) = answer["content"]
    empty: dict[str, Any] = {"text": ""}
    delta: dict[str, Any] = {"type": "text_delta", "text": block.get("text", "")}
    if block["type"] == "tool_use":
        empty, delta = {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    ending = {name: answer[name] for name in ("stop_reason", "stop_sequence")}
    return [
        {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {**block, **empty}},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
