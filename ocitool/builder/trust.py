"""Trust in a build: keys and a policy for the images that it stands on, and keys that sign what it writes."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.errors import Unsupported, UsageError
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.project.values import BuildSpec
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.attest.attachment import Attached
    from ocitool.builder.outputs import BuildOutputs
    from ocitool.change.plan import Plan
    from ocitool.sign.keys import Password
    from ocitool.sign.run import SignKey, VerifyKey
    from ocitool.store.base import Store


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """Keys, one of which has to have signed every image that a build stands on, and a policy that they fulfil.

    `identities` are the repositories that they may be signed for, where that is not their own. `sign_keys` sign the
    result, and each image of it, before a tag is written; `password` opens them.
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


def with_keys(options: TrustOptions, outputs: "BuildOutputs") -> TrustOptions:
    """The options with the keys that sign read, before anything is compiled.

    Raises what reading them raises, UsageError where nothing is published that could be signed, and Unsupported for
    what signatures cannot stand beside.
    """
    if not options.sign_keys:
        return options
    archive = next((place for place in outputs.places if place.locator.is_archive), None)
    if archive is not None or outputs.by_digest:
        where = f"in {archive}" if archive is not None else "of what is pushed by its digest alone"
        raise Unsupported(
            f"a build makes no signatures {where}",
            ability="sign",
            hint="ocitool sign does, where REF@DIGEST or oci:DIR names what was built",
        )
    if not (outputs.push or outputs.places):
        raise UsageError("--sign-key signs what is published", hint="add --push, or -o oci:DIR:TAG")
    from ocitool.sign.keys import PrivateKey
    from ocitool.sign.run import signers_of

    signers = signers_of(options.sign_keys, password=options.password, signature=None)
    return replace(options, sign_keys=tuple(one for one in signers if isinstance(one, PrivateKey)))


def signed(
    plan: "Plan", store: "Store", options: TrustOptions, workspace: Workspace, *, beside_bundles: bool = False
) -> "Plan":
    """The plan that also signs what it publishes, and each image. Raises what looking at signatures raises.

    Beside attestations in bundles signatures stand in both forms: where cosign 3 sees a bundle, it reads no list.
    """
    if not options.sign_keys:
        return plan
    from ocitool.sign.run import sign_new

    return sign_new(workspace, plan, store, options.sign_keys, "both" if beside_bundles else "tag")


def signed_statement(
    image: Descriptor, predicate: str, statement: bytes, options: TrustOptions
) -> "tuple[Attached, ...]":
    """The bundles in which each key that signs vouches for a statement about an image; the keys are read."""
    from ocitool.attest.attachment import Attached
    from ocitool.sign import bundle
    from ocitool.sign.run import signers_of
    from ocitool.sign.signing import bundle_by

    made = []
    for signer in signers_of(options.sign_keys, password=None, signature=None):
        manifest, data = bundle_by(signer, image, statement, predicate)
        blob = Descriptor(bundle.BUNDLE, Digest.of(data), len(data))
        made.append(Attached(manifest, ((bundle.empty(), bundle.EMPTY), (blob, data))))
    return tuple(made)
