"""Trust in a build: the keys and the policy that the images fulfil which it stands on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.project.values import BuildSpec
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.sign.run import VerifyKey


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """Keys, one of which has to have signed every image that a build stands on, and a policy that they fulfil.

    `identities` are the repositories that they may be signed for, where that is not their own.
    """

    verify_keys: "tuple[VerifyKey, ...]" = ()
    identities: tuple[str, ...] = ()
    policy: Path | None = None


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
