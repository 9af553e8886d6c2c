"""Edits of an image's config: pure, what is asked for set or taken away, and every other byte as it was.

History tells how the layers came to be, so an edit of settings adds no line to it and takes none away: the same
edit twice changes nothing the second time. Spec: image-spec config.md; Docker image spec, "Healthcheck".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.image.options import ImageOptions, check_settings, ports_of
from ocitool.model.document import Document, JsonTree
from ocitool.model.durations import parse_duration
from ocitool.model.moments import moment_of, rfc3339
from ocitool.model.numbers import is_digits
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import ImageConfig, Manifest
from ocitool.store.verify import CONFIG_LIMIT
from ocitool.values import dataclass, field

Pairs = Mapping[str, str | None]
"""Values by name; None takes the name away."""

_NONE: Final[Pairs] = MappingProxyType({})
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_SHORTEST: Final = 1_000_000
"""Nanoseconds of the shortest time that engines take in a health check."""
_PLATFORM_KEYS: Final = ("architecture", "os", "os.version", "os.features", "variant")


@dataclass(frozen=True, slots=True)
class HealthChanges:
    """What to set of a health check; None leaves a part alone. Times are in nanoseconds.

    `test` is as the config has it (CMD, CMD-SHELL or NONE first); an empty one takes the health check away.
    """

    test: tuple[str, ...] | None = None
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    retries: int | None = None

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers to set, by the config's keys."""
        named = {
            "Interval": self.interval,
            "Timeout": self.timeout,
            "StartPeriod": self.start_period,
            "StartInterval": self.start_interval,
            "Retries": self.retries,
        }
        return {key: value for key, value in named.items() if value is not None}


NO_HEALTH: Final = HealthChanges()


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """What to set in a config. None leaves a field alone, an empty value takes it away.

    `env` and `labels` set what they name, and take away what they name as None; `expose` and `volumes` are added.
    `created` is a moment of RFC 3339 or seconds since 1970. Raises UsageError for what no image can say.
    """

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: Pairs = field(default_factory=lambda: _NONE, hash=False)
    user: str | None = None
    workdir: str | None = None
    labels: Pairs = field(default_factory=lambda: _NONE, hash=False)
    expose: tuple[str, ...] = ()
    remove_expose: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    remove_volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    created: str | None = None
    health: HealthChanges = NO_HEALTH

    def __post_init__(self) -> None:
        is_windows = self.workdir is not None and _DRIVE.match(self.workdir) is not None
        check_settings(
            ImageOptions(
                workdir=None if is_windows else self.workdir,
                expose=self.expose,
                volumes=self.volumes,
                stop_signal=self.stop_signal,
            )
        )
        for what, names in (("variable", self.env), ("label", self.labels)):
            for name in names:
                _check_name(what, name)
                if not name or (what == "variable" and "=" in name):
                    raise UsageError(f"no name of a {what}: {shown(name)[:100]!r}")
        for what, word in (("user", self.user), ("working directory", self.workdir)):
            _check_name(what, word or "")
        for volume in self.volumes:
            _check_name("volume", volume)
        for text in (*self.env.values(), *self.labels.values(), *self._words()):
            if text is not None and "\0" in text:
                raise UsageError(f"a NUL is in {shown(text)[:100]!r}, and no program could be given that")
        both = {*ports_of(self.expose)} & {*ports_of(self.remove_expose)}
        both |= {*self.volumes} & {*self.remove_volumes}
        if both:
            raise UsageError(f"{min(both)} is to be set and to be taken away", hint="leave one of them out")
        if self.created:
            moment(self.created)

    def _words(self) -> Iterable[str]:
        return (*(self.entrypoint or ()), *(self.cmd or ()), *(self.health.test or ()))


def health_changes(
    command: str | tuple[str, ...] | None = None,
    *,
    interval: str | None = None,
    timeout: str | None = None,
    start_period: str | None = None,
    start_interval: str | None = None,
    retries: int | None = None,
    none: bool = False,
) -> HealthChanges:
    """What the words of `docker run --health-*` ask for; `command` is a line for the shell, or a program's words.

    An empty command takes the health check away; `none` lets engines do none, whatever. Raises UsageError.
    """
    times = {
        "interval": interval,
        "timeout": timeout,
        "start_period": start_period,
        "start_interval": start_interval,
    }
    numbers = {name: _nanoseconds(name, text) for name, text in times.items() if text is not None}
    if retries is not None and not 0 <= retries < 10**9:
        raise UsageError(f"not a number of retries: {retries}")
    test: tuple[str, ...] | None
    if command is not None:
        test = () if not command else ("CMD-SHELL", command) if isinstance(command, str) else ("CMD", *command)
    else:
        test = ("NONE",) if none else None
    if (none and command is not None) or (test in ((), ("NONE",)) and (numbers or retries is not None)):
        raise UsageError("no health check is asked for, and how it is to be done", hint="leave one of them out")
    return HealthChanges(test, retries=retries, **numbers)


def moment(text: str) -> str:
    """A moment as a config says it, of one in RFC 3339 or of seconds since 1970. Raises UsageError."""
    if is_digits(text) and len(text) <= 11:
        return rfc3339(int(text))
    if moment_of(text) is None:
        raise UsageError(
            f"no moment: {shown(text)[:100]!r}", hint="write 2026-01-31T12:00:00Z, or seconds since 1970"
        )
    return text.upper().replace(" ", "T")


def edit_config(config: ImageConfig, changes: ConfigChanges, platform: Platform | None = None) -> Document:
    """The config with the changes, for another `platform` if one is named; the same document if nothing differs.

    Raises MalformedDocument where what is to be changed is not of its kind, UsageError for parts of a health check
    that is not there, Unsupported for more bytes than anybody reads.
    """

    def change(tree: JsonTree) -> None:
        _set(tree, "created", None if changes.created is None else changes.created and moment(changes.created))
        if platform is not None:
            _say_platform(tree, platform)
        settings = dict(tree.get("config") or {})
        _change_settings(settings, changes)
        if settings or tree.get("config"):
            tree["config"] = settings

    after = config.document.edit(change)
    if after is config.document:
        return after
    if after.size > CONFIG_LIMIT:
        raise Unsupported(
            f"a config of {after.size} bytes is more than is read ({CONFIG_LIMIT})", ability="large configs"
        )
    return after


def with_config(manifest: Manifest, config: Document) -> Document:
    """The manifest with another config under the type that it has; the same document if it is the same config."""
    if manifest.config.digest == config.digest:
        return manifest.document

    def change(tree: JsonTree) -> None:
        tree["config"]["digest"], tree["config"]["size"] = str(config.digest), config.size
        tree["config"].pop("data", None)

    return manifest.document.edit(change)


def _change_settings(settings: dict[str, JsonTree], changes: ConfigChanges) -> None:
    if changes.entrypoint is not None and (settings.get("Entrypoint") or []) != list(changes.entrypoint):
        _set(settings, "Entrypoint", list(changes.entrypoint))
        if changes.cmd is None:  # the arguments of another program: docker and crane forget them too
            settings.pop("Cmd", None)
    _set(settings, "Cmd", None if changes.cmd is None else list(changes.cmd))
    if changes.env:
        _set(settings, "Env", _changed_env(settings, changes.env))
    _set(settings, "User", changes.user)
    _set(settings, "WorkingDir", changes.workdir)
    if changes.labels:
        labels = _object(settings, "Labels") | {k: v for k, v in changes.labels.items() if v is not None}
        _set(settings, "Labels", {k: v for k, v in labels.items() if changes.labels.get(k, "") is not None})
    gone = set(ports_of(changes.remove_expose))
    _change_keys(settings, "ExposedPorts", ports_of(changes.expose), gone, _port)
    _change_keys(settings, "Volumes", changes.volumes, set(changes.remove_volumes), lambda key: key)
    _set(settings, "StopSignal", changes.stop_signal)
    if changes.health != NO_HEALTH:
        _set(settings, "Healthcheck", _changed_health(settings, changes.health))


def _set(tree: dict[str, JsonTree], key: str, value: JsonTree) -> None:
    """Set a value, or take an empty one away; None does nothing, and so does taking away what is empty already."""
    if value:
        tree[key] = value
    elif value is not None and tree.get(key):
        del tree[key]


def _changed_env(settings: Mapping[str, JsonTree], changes: Pairs) -> list[str]:
    """The variables, each set in its first place; what is set stands there once, since readers take the last."""
    there = settings.get("Env")
    if there is not None and not (isinstance(there, list) and all(isinstance(item, str) for item in there)):
        raise MalformedDocument("Env of the config is not a list of strings", pointer="/config/Env")
    items: dict[str, str] = {}
    listed: list[str] = []
    for item in there or ():
        name = item.partition("=")[0]
        if name not in changes:
            listed.append(item)
        elif name not in items and (value := changes[name]) is not None:
            items[name] = f"{name}={value}"
            listed.append(items[name])
    new = {name: value for name, value in changes.items() if value is not None and name not in items}
    return listed + [f"{name}={value}" for name, value in new.items()]


def _change_keys(
    settings: dict[str, JsonTree], key: str, added: Iterable[str], gone: set[str], named: Callable[[str], str]
) -> None:
    """Change a set that the config has as an object with empty values."""
    added = tuple(added)
    if not added and not gone:
        return
    held = _object(settings, key)
    there = {named(name) for name in held}
    kept = {name: value for name, value in held.items() if named(name) not in gone}
    _set(settings, key, kept | {name: {} for name in added if name not in there})


def _port(key: str) -> str:
    """A port with its protocol, which a config may leave out."""
    return key if "/" in key else f"{key}/tcp"


def _changed_health(settings: Mapping[str, JsonTree], changes: HealthChanges) -> dict[str, JsonTree]:
    if changes.test is not None and changes.test[:1] in ((), ("NONE",)):
        return {"Test": list(changes.test)} if changes.test else {}
    held = _object(settings, "Healthcheck")
    if changes.test is not None:
        held["Test"] = list(changes.test)
    if not held.get("Test") or held["Test"] == ["NONE"]:
        raise UsageError("there is no health check whose times could be set", hint="say --health-cmd as well")
    for name, value in changes.numbers.items():
        _set(held, name, value)
        if not value:
            held.pop(name, None)
    return held


def _object(settings: Mapping[str, JsonTree], key: str) -> dict[str, JsonTree]:
    """A setting that is an object, an empty one where it is not there. Raises MalformedDocument."""
    held = settings.get(key)
    if held is not None and not isinstance(held, Mapping):
        raise MalformedDocument(f"{key} of the config is not an object", pointer=f"/config/{key}")
    return dict(held or {})


def _say_platform(tree: dict[str, JsonTree], platform: Platform) -> None:
    says = platform.to_tree()
    for key in _PLATFORM_KEYS:
        if key in says:
            tree[key] = says[key]
        elif key in tree:
            del tree[key]


def _nanoseconds(name: str, text: str) -> int:
    value = parse_duration(text)
    if value is None or 0 < value < _SHORTEST:
        raise UsageError(
            f"no {name.replace('_', ' ')} of a health check: {shown(text)[:100]!r}",
            hint="write 30s, 1m30s or 500ms; at least 1ms, or 0",
        )
    return value


def _check_name(what: str, name: str) -> None:
    if any(char < " " or char == "\x7f" for char in name):
        raise UsageError(f"a control character is in the {what} {shown(name)[:100]!r}")
