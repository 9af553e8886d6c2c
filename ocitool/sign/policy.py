"""Policies: rules by repository that an image has to fulfil before it is used, from a file or for keys given.

The first rule for a repository decides. What is not understood is refused and never skipped: a requirement that is
passed over is one that nobody checks.
"""

from collections.abc import Iterable, Mapping
from os.path import normpath
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ocitool.attest.statement import KNOWN, is_known
from ocitool.errors import NotVerified, Unsupported, UsageError
from ocitool.model.document import Document
from ocitool.model.reference import Reference, comparable_host
from ocitool.model.tag_filter import fits_stars
from ocitool.project.toml import KeyPath, TomlFile, read_toml
from ocitool.sign.claim import repository_of
from ocitool.sign.keys import PublicKey
from ocitool.sign.run import VerifyKey, load_public, verify_document
from ocitool.sign.verification import Demand, Verification
from ocitool.store.base import Reader, called
from ocitool.store.locate import SCHEMES, Locator
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace

VERSION: Final = 1
_TOP: Final = frozenset({"version", "default", "rule"})
_RULE: Final = frozenset(
    {"repository", "accept", "keys", "every-key", "recursive", "identity", "annotations", "attached", "attested"}
)
_DEFAULTS: Final = ("refuse", "accept")


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What is asked of images whose repository is like one of `repositories`, `*` being any characters.

    `accepts` asks for nothing. `attached` are artifact types of which something has to refer to the image,
    `attested` are predicate types or kinds of which one of the keys has to have signed a statement about it.
    """

    repositories: tuple[str, ...]
    accepts: bool = False
    keys: tuple[PublicKey, ...] = ()
    every_key: bool = False
    recursive: bool = False
    identities: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    attached: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()

    def is_for(self, repository: str) -> bool:
        """Whether it is about a repository as `repository_of` gives it, or a layout or archive as `SCHEME:PATH`."""
        return any(fits_stars(repository, pattern) for pattern in self.repositories)

    def demand(self, repository: str) -> Demand:
        """What is asked of the signatures of a repository's image; a layout has no name that could be compared."""
        own = (repository,) if repository and not self.identities else ()
        return Demand(
            self.keys,
            self.every_key,
            self.identities or own,
            bool(self.identities),
            self.annotations,
            self.attached,
            self.attested,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in their order; `name` is the file they are from. What no rule is for is refused, unless `accepts`."""

    rules: tuple[PolicyRule, ...]
    name: str = ""
    accepts: bool = False

    def rule(self, *names: str) -> PolicyRule | None:
        """The first rule for a repository, or for what has one of several names."""
        return next((rule for rule in self.rules if any(map(rule.is_for, names))), None)


def of_keys(keys: Iterable[VerifyKey], identities: Iterable[str] = ()) -> Policy:
    """The policy that everything is signed with one of the keys. Raises what reading them raises."""
    public = tuple(dict.fromkeys(map(load_public, keys)))
    if not public:
        raise UsageError("which key is trusted?", hint="--verify-identity goes with --verify-key FILE")
    return Policy((PolicyRule(("*",), keys=public, identities=tuple(identities)),))


def read_policy(path: Path) -> Policy:
    """The policy in a file; names of key files in it are relative to its folder.

    Raises UsageError for what is no TOML, Unsupported with the line for what is not understood, LocalIOError.
    """
    file = read_toml(path)
    tree = file.tree
    if tree.get("version") != VERSION:
        raise _refused(file, ("version",), f"is {tree.get('version')!r}, and version {VERSION} is understood")
    _check_known(file, (), tree, _TOP)
    default = _text(file, ("default",), tree.get("default", _DEFAULTS[0]))
    if default not in _DEFAULTS:
        raise _refused(file, ("default",), f"is {default!r}, and is one of {', '.join(_DEFAULTS)}")
    rows = tree.get("rule", [])
    if not isinstance(rows, list):
        raise _refused(file, ("rule",), "is no list of tables [[rule]]")
    rules = tuple(_rule(file, ("rule", number), row) for number, row in enumerate(rows))
    for number, rule in enumerate(rules):
        # What matches a pattern as if its stars were letters matches all that the pattern matches.
        if all(any(before.is_for(pattern) for before in rules[:number]) for pattern in rule.repositories):
            raise _refused(
                file, ("rule", number), "is never reached: rules before it are for all of its repositories"
            )
    return Policy(rules, str(path), default == "accept")


def _rule(file: TomlFile, at: KeyPath, row: object) -> PolicyRule:
    if not isinstance(row, dict):
        raise _refused(file, at, "is no table")
    _check_known(file, at, row, _RULE)

    def texts(key: str) -> tuple[str, ...]:
        return _texts(file, (*at, key), row.get(key, []))

    def flag(key: str) -> bool:
        value = row.get(key, False)
        if not isinstance(value, bool):
            raise _refused(file, (*at, key), "is neither true nor false")
        return value

    rule = PolicyRule(
        tuple(_pattern(file, (*at, "repository"), name) for name in texts("repository")),
        flag("accept"),
        tuple(dict.fromkeys(load_public(file.path.parent / name) for name in texts("keys"))),
        flag("every-key"),
        flag("recursive"),
        texts("identity"),
        _annotations(file, (*at, "annotations"), row.get("annotations", {})),
        texts("attached"),
        texts("attested"),
    )
    if not rule.repositories:
        raise _refused(file, at, 'names no repository; repository = "*" is every one')
    if rule.accepts and set(row) != {"repository", "accept"}:
        raise _refused(file, at, "accepts everything, and asks for something too")
    if not (rule.accepts or rule.keys or rule.attached):
        raise _refused(file, at, "asks for nothing", hint="name keys, or write accept = true")
    for kind in rule.attested:
        if not is_known(kind):
            raise _refused(file, (*at, "attested"), f"asks for {kind[:80]!r}", hint=KNOWN)
    needy = [key for key in ("every-key", "recursive", "identity", "annotations", "attested") if row.get(key)]
    if needy and not rule.keys:
        raise _refused(file, (*at, needy[0]), "is about signatures, and the rule names no keys")
    return rule


def _pattern(file: TomlFile, at: KeyPath, name: str) -> str:
    """The pattern of a rule as names compare. Raises Unsupported for one that no name is like."""
    scheme, colon, path = name.partition(":")
    if colon and scheme in SCHEMES:
        return f"{scheme}:{normpath(path)}"
    first, slash, rest = name.partition("/")
    if "*" not in name:
        try:
            Reference.parse(name)
        except UsageError as error:
            raise _refused(file, at, f"is no repository: {error.what}", hint=error.hint) from None
        return repository_of(name)
    if rest != rest.lower():
        raise _refused(file, at, f"is {name!r}, and no repository has upper-case letters")
    if "*" in first:
        return f"{first.lower().removesuffix(':443')}{slash}{rest}"
    if not (first == "localhost" or "." in first or ":" in first):
        raise _refused(file, at, f"is {name!r}, which names no registry", hint=f"write docker.io/{name}")
    return f"{comparable_host(first)}{slash}{rest}"


def _place(at: Locator) -> tuple[str, ...]:
    """What a layout or archive is called in a policy: its path as it was written, and from the root."""
    path = at.path or Path()
    return f"{at.scheme}:{normpath(path)}", f"{at.scheme}:{normpath(path.absolute())}"


def _texts(file: TomlFile, at: KeyPath, value: object) -> tuple[str, ...]:
    """A text, or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return tuple(_text(file, at, one) for one in values)


def _text(file: TomlFile, at: KeyPath, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _refused(file, at, f"is {str(value)[:40]!r} where a text belongs")
    return value


def _annotations(file: TomlFile, at: KeyPath, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _refused(file, at, "is no table of texts")
    return {key: _text(file, (*at, key), one) for key, one in value.items()}


def _check_known(file: TomlFile, at: KeyPath, table: Mapping[str, Any], known: frozenset[str]) -> None:
    for key in table:
        if key not in known:
            raise _refused(file, (*at, key), "is not understood", hint=f"one of {', '.join(sorted(known))}")


def _refused(file: TomlFile, at: KeyPath, message: str, hint: str = "") -> Unsupported:
    return Unsupported(file.error(at, message).what, ability="policy", hint=hint)


class Admission:
    """Lets places be used that fulfil every policy; what a name held is resolved once, and its digest used."""

    def __init__(self, work: Workspace, policies: Iterable[Policy]) -> None:
        self._work, self._policies = work, tuple(policies)

    def __call__(self, at: Locator, store: Reader, name: str) -> str:
        """The digest that is to be used for a name. Raises NotVerified, and what reading raises."""
        return str(self.verified(at, store, name, store.get_manifest(name)).digest)

    def verified(self, at: Locator, store: Reader, name: str, document: Document) -> Verification:
        """What was found by the last policy that asks for something. Raises as above."""
        place = called(store, name)
        found = Verification(place, document.digest, (), Demand(()))
        repository = repository_of(at.reference.repository_name) if at.reference is not None else ""
        names = (repository,) if repository else _place(at)
        for policy in self._policies:
            rule = policy.rule(*names)
            if rule is None and not policy.accepts:
                raise NotVerified(
                    f"{place} is not verified: no rule of {policy.name} is for it",
                    hint="add a [[rule]] for its repository; accept = true asks for nothing",
                )
            if rule is None or rule.accepts:
                continue
            found = verify_document(
                self._work, store, place, document, rule.demand(repository), recursive=rule.recursive
            ).required()
        return found


def admission(
    work: Workspace, keys: Iterable[VerifyKey] = (), identities: Iterable[str] = (), file: Path | None = None
) -> Admission | None:
    """What admits images that are signed with one of the keys and fulfil a policy file; None if nothing is asked.

    Raises what reading them raises.
    """
    keys, identities = tuple(keys), tuple(identities)
    policies = [of_keys(keys, identities)] if keys or identities else []
    policies += [read_policy(file)] if file is not None else []
    return Admission(work, policies) if policies else None
