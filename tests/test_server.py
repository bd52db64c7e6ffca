"""`ingest/api/server.py` extends protocol classes of uvicorn. A new version may change their internals."""

import ast
import inspect
import textwrap

import pytest
import uvicorn

from ingest.api.server import BackpressureWebSocketProtocol, TimeoutHttpProtocol

SUBCLASSES = (TimeoutHttpProtocol, BackpressureWebSocketProtocol)


def tree(kind: type) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(kind)))


def attributes_of_self(kind: type) -> set[str]:
    """Return each X of `self.X` in the source of a class."""
    return {
        node.attr
        for node in ast.walk(tree(kind))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def attributes_of_parents(kind: type) -> set[str]:
    parents = [parent for parent in kind.__mro__[1:] if parent.__module__.startswith("uvicorn")]
    assert parents
    return set().union(*(set(vars(parent)) | attributes_of_self(parent) for parent in parents))


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_uvicorn_has_each_attribute_that_our_protocols_use(kind: type) -> None:
    used = attributes_of_self(kind) - set(vars(kind))
    assert len(used) >= 2
    assert used - attributes_of_parents(kind) == set(), (
        f"uvicorn {uvicorn.__version__} lacks these internals of {kind.__mro__[1].__name__}"
    )


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_uvicorn_has_each_method_that_our_protocols_override(kind: type) -> None:
    overridden = [
        name
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]
    assert len(overridden) >= 4
    for name in overridden:
        base = getattr(kind.__mro__[1], name, None)
        assert base is not None, f"uvicorn {uvicorn.__version__} has no {name}()"
        assert [*inspect.signature(base).parameters] == [
            *inspect.signature(vars(kind)[name]).parameters
        ], f"uvicorn {uvicorn.__version__} changed the parameters of {name}()"
