"""A stand-in for a language model: it speaks the HTTP of OpenAI on loopback, also in streams."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
CALL = {
    "id": "call_0123456789abcdef",
    "type": "function",
    "function": {"name": "find_order", "arguments": '{"number": 7}'},
}


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The message for a request, and why it ends: the tool is called once for each question about an order."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return {"role": "assistant", "content": "Order 7 is on its way."}, "stop"
    content = last["content"]
    text = content if isinstance(content, str) else content[0]["text"]
    if "order" in text and request.get("tools"):
        return {"role": "assistant", "content": None, "tool_calls": [CALL]}, "tool_calls"
    return {"role": "assistant", "content": f"You said: {text}"}, "stop"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message, reason = answer(request)
        base = {"id": "chatcmpl-1", "created": 1, "model": "stand-in-1"}
        if request.get("stream"):
            parts = [*_chunks(base, message, reason), b"[DONE]"]
            body = b"".join(b"data: " + each + b"\n\n" for each in parts)
            self._send(body, "text/event-stream")
            return
        choice = {"index": 0, "message": message, "finish_reason": reason}
        whole = {**base, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        self._send(json.dumps(whole).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def _chunks(base: dict[str, Any], message: dict[str, Any], reason: str) -> Iterator[bytes]:
    head = {**base, "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": each} for each in re.findall(r"\s*\S+", message["content"] or "")]
    for number, call in enumerate(message.get("tool_calls", [])):
        deltas.append({"tool_calls": [{"index": number, **call}]})
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield json.dumps({**head, "choices": [choice]}).encode()
    end = {"index": 0, "delta": {}, "finish_reason": reason}
    yield json.dumps({**head, "choices": [end]}).encode()
    yield json.dumps({**head, "choices": [], "usage": USAGE}).encode()


@contextmanager
def run_model() -> Iterator[str]:
    """The base URL of the model, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
