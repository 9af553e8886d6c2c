"""Sources of ADD and COPY, as an instruction names them: what it may take, and what it clones.

Spec: BuildKit's Dockerfile reference, "ADD".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ocitool.dockerfile.places import is_git, is_web, shown
from ocitool.dockerfile.syntax.instructions import Copy, Instruction
from ocitool.errors import Unsupported, UsageError
from ocitool.model.digest import Digest, is_digest
from ocitool.registry.error_response import redact

_OTHER_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
INSTEAD_OF_GIT: Final = "check it out before the build, and COPY it, or name the folder with --build-context"


def cloned_by(one: Instruction) -> str:
    """The git repository that an instruction clones, without a password in it; empty for none.

    Only what is written out is seen, not what a variable may hold.
    """
    if not isinstance(one, Copy) or not one.is_add:
        return ""
    return next((shown(source) for source in one.sources if "$" not in source and is_git(source)), "")


def check_sources(copy: Copy, sources: Sequence[str], checksum: str) -> Digest | None:
    """The checksum that a file must have, if one is said; `sources` are the words without heredocs, expanded.

    Raises UsageError for what the instruction cannot take, Unsupported for a git repository.
    """
    name = copy.line.name
    gits = [source for source in sources if is_git(source)]
    remote = [source for source in sources if is_git(source) or is_web(source)]
    if remote and not copy.is_add:
        raise UsageError(f"COPY takes no URL: {shown(remote[0])}", hint="write ADD, which does")
    for source in sources:
        if _OTHER_URL.match(source) and source not in remote and not copy.source_stage:
            raise UsageError(f"{name} takes no such URL: {shown(source)}", hint="write http:// or https://")
    if checksum and len(sources) + len(copy.heredocs) != 1:
        raise UsageError(f"--checksum is for one source, and {name} has several", hint=f"write one {name} for each")
    if checksum and not remote:
        raise UsageError(
            f"--checksum is for URLs, and {shown((*sources, *copy.sources)[0])} is a file of the context",
            hint="leave it out",
        )
    if gits:
        raise Unsupported(
            f"{name} {shown(gits[0])} needs git, and nothing is cloned here",
            ability="ADD of a git repository",
            hint=INSTEAD_OF_GIT,
        )
    if not checksum:
        return None
    if not is_digest(checksum) or not Digest(checksum).is_verifiable:
        raise UsageError(f"not a checksum: {checksum[:150]!r}", hint="write --checksum=sha256: and 64 hex digits")
    return Digest(checksum)


def public_url(url: str, written: str, arguments: Mapping[str, str]) -> str:
    """A URL without secrets: as it is `written`, where the value of a build argument may be in it."""
    return redact(written if "$" in written and arguments else url)
