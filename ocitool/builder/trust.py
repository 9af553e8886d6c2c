"""What a build trusts, and with which keys it signs: the images that it stands on, and what it publishes."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.project.values import BuildSpec
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.sign.keys import Password
    from ocitool.sign.run import SignKey, VerifyKey


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """Keys, one of which has to have signed every image that a build stands on, and a policy that they fulfil.

    `identities` are the repositories that they may be signed for, where that is not their own. `sign_keys` sign the
    result before a tag is written; `password` opens them.
    """

    verify_keys: "tuple[VerifyKey, ...]" = ()
    identities: tuple[str, ...] = ()
    policy: Path | None = None
    sign_keys: "tuple[SignKey, ...]" = ()
    password: "Password | None" = field(default=None, repr=False, compare=False)


def trusting(options: TrustOptions, spec: BuildSpec, workspace: Workspace) -> Workspace:
    """The workspace that opens only images that fulfil the options, and the policy of the spec file.

    Raises what reading keys and policies raises.
    """
    policy = options.policy or spec.policy
    if not (options.verify_keys or options.identities or policy):
        return workspace
    from ocitool.sign.policy import admission

    admit = admission(workspace, options.verify_keys, options.identities, policy)
    return replace(workspace, admit=admit)
