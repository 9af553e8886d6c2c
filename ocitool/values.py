"""Dataclasses that are compiled when several of a kind were made, since of most there are few or none (ADR 0125).

To type checkers they are the standard library's, which writes six methods of every class as text and compiles them
where the class stands. Here that is `__init__` alone, at a later call; the other methods need no text. Who asks
a class for its fields, as `dataclasses.asdict` does, is given the standard library's.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter, ge, gt, le, lt
from operator import eq as equal
from types import MemberDescriptorType

TYPE_CHECKING = False  # what type checkers take for typing's, without loading typing

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    _NONE = object()
    _FIRST = 16  # so many are filled field by field, which together takes about as long as compiling does

    class field:  # noqa: N801 - the standard library's word, and its arguments
        """What is said of one field."""

        __slots__ = ("said", "type")

        def __init__(self, **said: object) -> None:
            self.said = said

        def has(self, word: str) -> bool:
            """Whether the field takes part in a method; it does unless the contrary is said."""
            return self.said.get(word, True) is not False

    def dataclass(bare: type | None = None, /, **options: bool) -> type | Callable[[type], type]:
        """The class with the methods that its fields ask for.

        Options are `frozen`, `slots`, `order`, `init`, `eq` and `repr`. As with the standard library's, `slots`
        make another class of it, no method of which uses `super()` without arguments.
        """
        return _finished(bare, **options) if bare else lambda bare: _finished(bare, **options)

    def replace(value: object, /, **changes: object) -> object:
        """A value of the same class, some of its fields changed."""
        kept = {name: getattr(value, name) for name, one in value._fields.items() if one.has("init")}
        return type(value)(**kept | changes)

    def _finished(bare: type, *, slots: bool = False, init: bool = True, **options: bool) -> type:
        names, own = dict(vars(bare)), bare.__annotations__
        fields = dict(getattr(bare, "_fields", ()))
        for name, annotation in own.items():
            given = names.get(name, _NONE)
            if isinstance(given, MemberDescriptorType):  # a slot that the class has by itself
                given = _NONE
            fields[name] = one = given if isinstance(given, field) else field(**_default(given))
            one.type = annotation
        methods = _methods(fields, **options)
        kept = {name for name in methods if names.get(name) is not None}
        if "__hash__" in names and "__eq__" not in names:  # None as well, where the class says so itself
            kept.add("__hash__")
        methods = {name: it for name, it in methods.items() if name not in kept}
        made = _slotted(bare, names, own, methods) if slots else _opened(bare, names, own, methods)
        if init and "__init__" not in names:
            made.__init__ = _first(made, frozen=options.get("frozen", False))
        return made

    def _default(given: object) -> dict[str, object]:
        return {} if given is _NONE else {"default": given}

    def _slotted(bare: type, names: dict[str, object], own: Iterable[str], methods: dict[str, object]) -> type:
        """Another class, since slots are made with one."""
        left = {name: it for name, it in names.items() if name not in {*own, "__dict__", "__weakref__"}}
        left |= methods | {"__slots__": tuple(own), "__qualname__": bare.__qualname__}
        return type(bare)(bare.__name__, bare.__bases__, left)

    def _opened(bare: type, names: dict[str, object], own: Iterable[str], methods: dict[str, object]) -> type:
        """The same class, with what it lacks."""
        for name in own:
            if not isinstance(names.get(name), field):
                continue
            if "default" in names[name].said:
                setattr(bare, name, names[name].said["default"])
            else:
                delattr(bare, name)
        for name, it in methods.items():
            setattr(bare, name, it)
        return bare

    def _first(made: type, *, frozen: bool) -> Callable[..., None]:
        """`__init__` for the first values of a class, which puts the one in its place that is compiled."""
        left, fill = _FIRST, None

        def first(self: object, *args: object, **kwargs: object) -> None:
            nonlocal left, fill
            left -= 1
            fill = fill or _filling(made)
            if left < 0 or not fill(self, args, kwargs):
                made.__init__ = _initializer(made, frozen=frozen)
                made.__init__(self, *args, **kwargs)

        return first

    def _filling(made: type) -> Callable[[object, tuple[object, ...], dict[str, object]], bool]:
        """What makes a value field by field; False for arguments that do not fit, which Python tells best."""
        fields = {name: one.said for name, one in made._fields.items() if one.has("init")}
        defaults = {name: said["default"] for name, said in fields.items() if "default" in said}
        factories = [(name, said["default_factory"]) for name, said in fields.items() if "default_factory" in said]
        keep, checks = object.__setattr__, hasattr(made, "__post_init__")

        def fill(self: object, args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
            given = dict(zip(fields, args)) | kwargs  # noqa: B905 - of both lengths, which are compared
            if len(args) + len(kwargs) > len(given):
                return False
            if len(given) < len(fields):
                given = defaults | given
                for name, factory in factories:
                    if name not in given:
                        given[name] = factory()
            if given.keys() != fields.keys():
                return False
            for name, value in given.items():
                keep(self, name, value)
            if checks:
                self.__post_init__()
            return True

        return fill

    def _initializer(made: type, *, frozen: bool) -> Callable[..., None]:
        """`__init__` of a class: its fields in order, then `__post_init__`, which sets what is no argument."""
        known: dict[str, object] = {"_NONE": _NONE, "_set": object.__setattr__}
        parameters, lines = ["self"], []
        for name, one in made._fields.items():
            if not one.has("init"):
                continue
            value = name
            if "default" in one.said:
                known[f"_of_{name}"] = one.said["default"]
                parameters.append(f"{name}=_of_{name}")
            elif "default_factory" in one.said:
                known[f"_of_{name}"] = one.said["default_factory"]
                parameters.append(f"{name}=_NONE")
                value = f"_of_{name}() if {name} is _NONE else {name}"
            else:
                parameters.append(name)
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
        if hasattr(made, "__post_init__"):
            lines.append("self.__post_init__()")
        exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), known)  # noqa: S102 - our words
        known["__init__"].__qualname__ = f"{made.__qualname__}.__init__"
        return known["__init__"]

    def _methods(
        fields: dict[str, field],
        *,
        frozen: bool = False,
        order: bool = False,
        eq: bool = True,
        repr: bool = True,  # noqa: A002 - the standard library's word
    ) -> dict[str, object]:
        """The other methods, and what `match` and the functions of `dataclasses` look for."""
        found: dict[str, object] = {"_fields": fields} | _ALL | (_FROZEN if frozen else {})
        if eq:
            found |= {"__eq__": _EQUAL, "__hash__": _hash if frozen else None}
        if order:
            found |= _ORDER
        if repr:
            found["__repr__"] = _repr
        return found

    class _Later:
        """What follows from the fields of a class: found when it is asked for, and then an attribute of it."""

        __slots__ = ("find", "name")

        def __init__(self, name: str, find: Callable[[tuple[str, ...]], object], *words: str) -> None:
            self.name = name
            self.find = lambda fields: find(
                tuple(name for name, one in fields.items() if all(one.has(word) for word in words))
            )

        def __get__(self, _value: object, owner: type) -> object:
            setattr(owner, self.name, self.find(owner._fields))
            return getattr(owner, self.name)

    def _getter(names: tuple[str, ...]) -> Callable[[object], object]:
        """What gives the values of these fields, as something to compare or to hash."""
        return attrgetter(*names) if names else staticmethod(lambda _value: ())

    def _comparing(operator: Callable[[object, object], bool]) -> Callable[[object, object], bool]:
        def method(self: object, other: object) -> bool:
            if other.__class__ is not self.__class__:
                return NotImplemented
            return operator(self._compared(self), self._compared(other))

        return method

    def _hash(self: object) -> int:
        return hash(self._hashed(self))

    def _repr(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._shown)})"

    def _refuse(_self: object, name: str, *_: object) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _state(self: object) -> list[object]:
        return [getattr(self, name) for name in self._fields]

    def _restore(self: object, state: list[object]) -> None:
        for name, value in zip(self._fields, state, strict=True):
            object.__setattr__(self, name, value)

    class _Standard:
        """What the standard library keeps in a class: made when it is looked for."""

        __slots__ = ("name", "options")

        def __init__(self, name: str, **options: bool) -> None:
            self.name, self.options = name, options

        def __get__(self, _value: object, owner: type) -> object:
            import dataclasses

            fields = [(name, one.type, dataclasses.field(**one.said)) for name, one in owner._fields.items()]
            return getattr(dataclasses.make_dataclass(owner.__name__, fields, **self.options), self.name)

    _EQUAL = _comparing(equal)
    _ORDER = {f"__{one.__name__}__": _comparing(one) for one in (lt, le, gt, ge)}
    _FROZEN = {
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": _state,
        "__setstate__": _restore,
        "__dataclass_params__": _Standard("__dataclass_params__", frozen=True),
    }
    _ALL = {
        "__match_args__": _Later("__match_args__", tuple, "init"),
        "_compared": _Later("_compared", _getter, "compare"),
        "_hashed": _Later("_hashed", _getter, "compare", "hash"),
        "_shown": _Later("_shown", tuple, "repr"),
        "__dataclass_fields__": _Standard("__dataclass_fields__"),
        "__dataclass_params__": _Standard("__dataclass_params__"),
    }
