"""Builds the methods of both clients from the operations: each is written once.

A method has the name, contract and parameters of its operation, for `help()` and for type checkers. Two
clients written by hand would repeat every signature, and generated code would add a step between the code
that is read and the code that runs.
"""

from collections.abc import Callable
from functools import update_wrapper
from inspect import iscoroutinefunction, signature
from typing import Any, Concatenate, ParamSpec, TypeVar, get_args, get_type_hints

from ingest.client.calls import Calls
from ingest.client.retries import RetryPolicy


class Caller:
    """What a client knows before it sends: its headers, its ids, its retries."""

    def __init__(
        self, url: str, key: str, retry_policy: RetryPolicy, new_id: Callable[[], str]
    ) -> None:
        """`new_id` creates the ids that the caller does not give."""
        self.url = url.rstrip("/")
        self.headers = {"authorization": f"Bearer {key}"}
        self._retry_policy = retry_policy
        self._calls = Calls(new_id)


S = TypeVar("S", bound=Caller)
P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")


def method_of(
    operation: Callable[Concatenate[Calls, P], C], make: Callable[[S, C], R]
) -> Callable[Concatenate[S, P], R]:
    """Return the client method for `operation`, made by the client's own `make`."""

    def method(client: S, /, *args: P.args, **given: P.kwargs) -> R:
        return make(client, operation(client._calls, *args, **given))

    async def awaited(client: S, /, *args: P.args, **given: P.kwargs) -> Any:
        return await method(client, *args, **given)  # type: ignore[misc]

    # who is handed a method asks whether it is a coroutine function, before calling it
    shown: Any = awaited if iscoroutinefunction(make) else method
    answer = _answer(operation, make)
    update_wrapper(shown, operation)
    shown.__annotations__ = operation.__annotations__ | {"return": answer}
    shown.__signature__ = signature(operation).replace(return_annotation=answer)
    return shown  # type: ignore[no-any-return]


def _answer(operation: Callable[..., Any], make: Callable[..., Any]) -> Any:
    """Return type of the method: the response of the call, an iterator or a list of them, or what `make` says."""
    answer = get_type_hints(operation)["return"]
    while get_args(answer):  # Call[Page[Message]]: a Message
        (answer,) = get_args(answer)
    made = get_type_hints(make)["return"]
    if isinstance(made, TypeVar):
        return answer
    return made[answer] if getattr(made, "__parameters__", ()) else made
