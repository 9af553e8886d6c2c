"""Standard modules that click, h11 and others import and hardly use, loaded when more is asked of them (ADR 0132).

`inspect` brings a parser, a disassembler and a tokenizer along, of which a command uses nothing, `platform` six
patterns for one word, and `difflib` compares each `-o` with all flags. What stands in their place until then
answers the questions that every command asks.
"""

import os
import sys
import threading
import typing
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from ocitool import values

_lock = threading.RLock()


class _Deferred(ModuleType):
    """Stands for a module until something is asked of it that it has not got; then it is that module."""

    def __getattr__(self, name: str) -> object:
        if name == "__path__":  # `from` asks for it: none of these has modules of its own
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


def _dataclass(of: type | None = None, /, **options: bool) -> object:
    """h11's events are dataclasses, which compile five methods for each of them; ours do the same (ADR 0125)."""
    if of is None:
        return lambda of: _dataclass(of, **options)
    home = values if of.__module__ == "h11._events" else _loaded(_DATACLASSES)
    return home.dataclass(**options)(of)


def _get_close_matches(word: str, *given: object, **options: object) -> object:
    """What is like an unknown flag; click asks that of each short flag, before it looks whether it has it."""
    return [] if len(word) == 2 and word[0] == "-" else _loaded(_DIFFLIB).get_close_matches(word, *given, **options)


_INSPECT, _PLATFORM, _DIFFLIB = map(_Deferred, ("inspect", "platform", "difflib"))
_DATACLASSES, _GETTEXT = map(_Deferred, ("dataclasses", "gettext"))
vars(_INSPECT).update(cleandoc=_cleandoc)
vars(_PLATFORM).update(system=lambda: os.uname().sysname)
vars(_DIFFLIB).update(get_close_matches=_get_close_matches)
vars(_DATACLASSES).update(dataclass=_dataclass)
# All that is said is English, and click's words are too: no catalog of any program is looked for.
vars(_GETTEXT).update(gettext=lambda text: text, ngettext=lambda one, many, count: one if count == 1 else many)
_UNUSED = ("array", "base64", "copy", "ipaddress", "ntpath", "selectors", "shlex")
"""Imported by pathlib, socket, urllib and ourselves, and used by few commands."""


def defer() -> None:
    """Put the stand-ins in the place of what was not loaded before."""
    for one in (_INSPECT, _PLATFORM, _DIFFLIB, _DATACLASSES, _GETTEXT, _datetime(), *map(_Deferred, _UNUSED)):
        sys.modules.setdefault(one.__name__, one)
    # A text for a type is compiled when somebody looks what it means, and not when click names it.
    vars(typing)["compile"] = lambda text, *_: text


def _datetime() -> ModuleType:
    """`datetime` as it is from Python 3.12 on: before that it makes all classes in Python too, and forgets them.

    Where Python has no such classes in C, as PyPy, all of it is the module's.
    """
    stand_in = _Deferred("datetime")
    with suppress(ImportError):
        found = vars(import_module("_datetime"))
        vars(stand_in).update((name, it) for name, it in found.items() if not name.startswith("__"))
    return stand_in
