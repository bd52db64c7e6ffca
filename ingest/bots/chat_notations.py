"""Names that the libraries of language models give to roles, parts and fields of chat messages."""

from typing import Literal

ChatRole = Literal["system", "user", "assistant", "tool"]

ROLES: dict[str, ChatRole] = {
    "system": "system", "developer": "system", "systemmessage": "system", "systemmessagechunk": "system",
    "user": "user", "human": "user", "humanmessage": "user", "humanmessagechunk": "user",
    "assistant": "assistant", "ai": "assistant", "aimessage": "assistant", "aimessagechunk": "assistant",
    "model": "assistant", "bot": "assistant", "gpt": "assistant", "chatbot": "assistant",
    "tool": "tool", "function": "tool", "toolmessage": "tool", "toolmessagechunk": "tool",
}  # fmt: skip
"""The role of each name that a library uses."""

NOT_SAID = frozenset({"reasoning", "thinking", "redacted_thinking", "thought"})
CALLS = frozenset({"tool_use", "tool_call", "tool-call", "function_call", "server_tool_use"})
RESULTS = frozenset(
    {"tool_result", "tool_call_response", "tool-result", "function_call_output", "function_response"}
)  # fmt: skip

WRAPPERS: dict[str, ChatRole | None] = {
    "messages": None, "message": None, "kwargs": None, "new_message": None,
    "contents": "user", "conversations": "user", "prompt": "user", "args": "user",
    "output": "assistant", "choices": "assistant", "candidates": "assistant", "input": "user",
}  # fmt: skip
"""Fields of an object that is no message, but holds some; and the role of those that state none."""

REQUESTS = frozenset({"messages", "contents", "prompt", "input"})

BODIES = ("content", "parts", "value", "text")

GEMINI = {
    "functionCall": "tool_call", "function_call": "tool_call",
    "functionResponse": "tool_result", "function_response": "tool_result",
}  # fmt: skip
GEMINI_RESULTS = frozenset({"functionResponse", "function_response"})
OUTPUTS = ("content", "output", "response", "result")
