"""Standard modules that click and h11 import and hardly use, loaded when more is asked of them (ADR 0132).

`inspect` brings a parser, a disassembler and a tokenizer along, of which a command uses nothing, `platform` six
patterns for one word, and `difflib` compares each `-o` with all flags. What stands in their place until then
answers the questions that every command asks.
"""

import os
import sys
import threading
from importlib import import_module
from types import ModuleType

_lock = threading.RLock()


class _Deferred(ModuleType):
    """Stands for a module until something is asked of it that it has not got; then it is that module."""

    def __getattr__(self, name: str) -> object:
        if name == "__path__":  # an import of something from it asks whether it is a package
            raise AttributeError(name)
        return getattr(_loaded(self), name)


def _loaded(stand_in: ModuleType) -> ModuleType:
    with _lock:
        name = stand_in.__name__
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        real = import_module(name)
        vars(stand_in).update(vars(real))
    return real


def _cleandoc(doc: str) -> object:
    """What click does with each help text, most of which are one line."""
    return doc.lstrip() if "\n" not in doc and "\t" not in doc else _loaded(_INSPECT).cleandoc(doc)


def _signature(of: object, **options: object) -> object:
    """What dataclasses write behind the name of a class without a text; nobody reads that of h11's.

    No error says so: dataclasses of Python 3.11.2 expect none.
    """
    if _is_h11s(of):
        return ""
    return _loaded(_INSPECT).signature(of, **options)


def _get_annotations(of: object, **options: object) -> object:
    """What dataclasses ask for the fields of a class from Python 3.12 on."""
    if _is_h11s(of) and not options:
        return dict(vars(of).get("__annotations__", {}))
    return _loaded(_INSPECT).get_annotations(of, **options)


def _is_h11s(of: object) -> bool:
    return isinstance(of, type) and of.__module__ == "h11._events"


def _get_close_matches(word: str, *given: object, **options: object) -> object:
    """What is like an unknown flag; click asks that of each short flag, before it looks whether it has it."""
    return [] if len(word) == 2 else _loaded(_DIFFLIB).get_close_matches(word, *given, **options)


_INSPECT, _PLATFORM, _DIFFLIB = _Deferred("inspect"), _Deferred("platform"), _Deferred("difflib")
vars(_INSPECT).update(cleandoc=_cleandoc, signature=_signature, get_annotations=_get_annotations)
vars(_PLATFORM).update(system=lambda: os.uname().sysname)
vars(_DIFFLIB).update(get_close_matches=_get_close_matches)


def defer() -> None:
    """Put the stand-ins in the place of what was not loaded before."""
    for one in (_INSPECT, _PLATFORM, _DIFFLIB):
        sys.modules.setdefault(one.__name__, one)
