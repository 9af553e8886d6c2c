"""Trust in a build: keys and a policy for the images that it stands on, and keys that sign what it writes."""

from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.graph.referrers import check_stands_beside
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.project.source_policy import read_source_policy
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocitool.attest.attachment import Attached
    from ocitool.change.plan import Plan
    from ocitool.project.values import BuildSpec
    from ocitool.sign.keys import Password, PrivateKey
    from ocitool.sign.run import SignKey, VerifyKey
    from ocitool.store.base import Store


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """Keys, one of which has to have signed every image that a build stands on, and a policy that they fulfil.

    `identities` are the repositories that they may be signed for, where that is not their own. `sign_keys` sign the
    result, and each image of it, before a tag is written; `password` opens them, perhaps out of `password_files`.
    `source_policy` says which images are taken for those that are named.
    """

    verify_keys: "tuple[VerifyKey, ...]" = ()
    identities: tuple[str, ...] = ()
    policy: Path | None = None
    sign_keys: "tuple[SignKey, ...]" = ()
    password: "Password | None" = field(default=None, repr=False, compare=False)
    password_files: tuple[Path, ...] = ()
    source_policy: Path | None = None

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Files of keys that sign and of their passwords: no input of a build."""
        return (*(Path(key) for key in self.sign_keys if isinstance(key, (str, Path))), *self.password_files)


def trusting(options: TrustOptions, spec: "BuildSpec", workspace: Workspace) -> Workspace:
    """The workspace that opens only images that fulfil the options, and the policy of the spec file.

    Those of a build are what its source policy makes of them. Raises what reading keys and policies raises.
    """
    if options.source_policy is not None:
        workspace = replace(workspace, convert=read_source_policy(options.source_policy).image)
    policy = options.policy or spec.policy
    if not (options.verify_keys or options.identities or policy):
        return workspace
    from ocitool.sign.policy import admission

    admit = admission(workspace, options.verify_keys, options.identities, policy)
    return replace(workspace, admit=admit)


def with_keys(options: TrustOptions) -> TrustOptions:
    """The options with the keys that sign read, before anything is compiled. Raises what reading them raises."""
    return replace(options, sign_keys=read_keys(options.sign_keys, options.password))


def read_keys(keys: "Iterable[SignKey]", password: "Password | None") -> "tuple[PrivateKey, ...]":
    """The keys that sign, read; nothing is loaded where there are none. Raises what reading them raises."""
    keys = tuple(keys)
    if not keys:
        return ()
    from ocitool.sign.run import load_private

    return tuple(load_private(key, password) for key in keys)


def signed(
    plan: "Plan",
    store: "Store",
    keys: "Iterable[SignKey]",
    workspace: Workspace,
    *,
    form: str = "tag",
    name: str = "",
) -> "Plan":
    """The plan that also signs what it publishes, and each image.

    `name` is the repository that it is signed for, where the store has none. Raises what looking at signatures
    raises, and Unsupported for a store in which nothing stands beside an image.
    """
    keys = tuple(keys)
    if not keys:
        return plan
    check_stands_beside(store, "signatures")
    from ocitool.sign.run import sign_new
    from ocitool.sign.signing import SignOptions

    return sign_new(workspace, plan, store, keys, SignOptions(form, recursive=True, identity=name))


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
