"""Garbage collection while tests run: objects that stay, and applications that should not."""

import gc

from fastapi.dependencies import models


def pause_collection() -> None:
    """Collect nothing while modules are imported: hardly anything of them is garbage."""
    gc.disable()


def keep_what_is_loaded() -> None:
    """Collect again, but never look at what is loaded by now: a million objects, half a second each time."""
    gc.freeze()
    gc.enable()


def forget_applications() -> None:
    """Let FastAPI forget the functions of applications that ended: each keeps its whole application."""
    for cached in vars(models).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
