"""Signing as a plan: layers at the end of cosign's lists, and bundles that refer to the manifest.

What is to be signed is a pure function of digest, repository and annotations, so that a device may sign it
elsewhere and the signature comes back later. A signature that is there already is left as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from ocitool import values
from ocitool.change.plan import Plan, PlanStep, PutBlob, PutManifest, PutSnapshot, Tag, in_order
from ocitool.change.reason import ChangeReason
from ocitool.errors import MalformedDocument, UsageError
from ocitool.graph.signature_list import appended, entries, signature_tag
from ocitool.model import mediatype
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, effective_type, view
from ocitool.sign import bundle as bundles
from ocitool.sign import simple_signing
from ocitool.sign.claim import Claim
from ocitool.sign.keys import PrivateKey, PublicKey
from ocitool.store.base import BytesSource, Reader, Store
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field

FORMS: Final = ("tag", "bundle", "both")
"""Where a signature stands: in the list under a tag, in a manifest that refers to the image, or in both."""


@dataclass(frozen=True, slots=True)
class MadeElsewhere:
    """A signature that a device made over what `to_be_signed` gives, and the key to compare it with."""

    public: PublicKey
    signature: bytes

    def sign(self, data: bytes) -> bytes:
        """The signature, if it is over `data`. Raises MalformedDocument."""
        if not self.public.verifies(self.signature, data):
            raise MalformedDocument(
                f"the signature does not hold for what is signed, by {self.public.name or self.public.fingerprint}",
                hint="give the same REF, --identity and -a as with --payload-only; REF may hold something else now",
            )
        return self.signature


Signer: TypeAlias = PrivateKey | MadeElsewhere


@dataclass(frozen=True, slots=True)
class SignOptions:
    """What signatures say and where they go; `recursive` signs the children of an index too.

    `identity` is the repository they are meant for, empty for none. An empty `form` is decided where something is
    replaced. Raises UsageError for another form, or for annotations that signatures cannot carry.
    """

    form: str = FORMS[0]
    recursive: bool = False
    identity: str = ""
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def __post_init__(self) -> None:
        if self.form not in {*FORMS, ""}:
            raise UsageError(f"no form of signatures: {self.form!r}", hint=f"one of {', '.join(FORMS)}")

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that are written."""
        return FORMS[:2] if self.form == FORMS[2] else (self.form,)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What is to be written about one manifest; `list_before` is what the tag of its list holds."""

    subject: Descriptor
    list_before: Document | None = None
    layers: tuple[tuple[Descriptor, bytes], ...] = ()
    bundles: tuple[tuple[Document, bytes], ...] = ()


def to_be_signed(document: Document, options: SignOptions) -> bytes:
    """The bytes that a signer signs about a manifest. Raises UsageError for several of them."""
    if options.recursive or len(options.forms) != 1:
        raise UsageError("one payload at a time", hint="leave --recursive out, and say --form tag or --form bundle")
    claim = _claim(Descriptor.of(document), options)
    if options.form == "tag":
        return simple_signing.compose_payload(claim)
    return bundles.pae(bundles.compose_statement(claim))


def subjects_of(store: Reader, document: Document, *, recursive: bool, scope: Scope) -> tuple[Descriptor, ...]:
    """The manifest, and with `recursive` every manifest below it, each once. Reads inner indexes alone."""
    root = values.replace(Descriptor.of(document), media_type=effective_type(document))
    found = {root.digest: root}
    waiting = [document] if recursive else []
    while waiting:
        scope.check()
        seen = view(waiting.pop())
        for entry in seen.entries if isinstance(seen, Index) else ():
            if entry.digest in found:
                continue
            found[entry.digest] = entry
            if mediatype.is_index(entry.media_type):
                waiting.append(store.get_manifest(str(entry.digest)))
    return tuple(found.values())


def plan_sign(
    store: Store, name: str, document: Document, signers: Sequence[Signer], options: SignOptions, *, scope: Scope
) -> Plan:
    """The plan that signs what `name` holds, which is `document`; empty where every signer has signed all of it.

    Raises Unsupported for digests that signatures are not of, MalformedDocument for a tag that holds something else
    than a list, or a signature made elsewhere that is of something else.
    """
    if not signers:
        raise UsageError("which key signs?", hint="add --key FILE; ocitool key generate makes one")
    if options.recursive and any(isinstance(one, MadeElsewhere) for one in signers):
        raise UsageError("a signature that was made elsewhere is of one manifest", hint="leave --recursive out")
    subjects = subjects_of(store, document, recursive=options.recursive, scope=scope)
    steps, what = _signing(store, subjects, signers, options, scope)
    if not steps:
        return Plan(store.label, names=(name,), attaches=True)
    kept = Tag(name or str(document.digest), document, document)
    return Plan(
        store.label,
        tuple(in_order((kept, *steps))),
        reasons=what,
        names=(kept.name,),
        must_keep=False,
        attaches=True,
    )


def with_signatures(
    plan: Plan, store: Store, signers: Sequence[Signer], options: SignOptions, *, scope: Scope
) -> Plan:
    """The plan that also signs what it lets tags hold, and manifests that it puts below, before a tag is written.

    With `recursive` also what a snapshot has below, which then may be put there by its digest alone. Where the
    options say no form, it is that of what is replaced.
    """
    written = [tag for tag in plan.tags if not tag.is_kept]
    if not signers or (plan.tags and not written):
        return plan
    base = next((tag.base for tag in written if tag.base is not None), None)
    if not options.form:
        options = values.replace(options, form=_form_of(store, base))
    puts = [step.document for step in plan.steps if isinstance(step, PutManifest)]
    documents = [tag.document for tag in written] + [one for one in puts if view(one).subject is None]
    for step in plan.steps if options.recursive else ():
        documents += step.snapshot.documents.values() if isinstance(step, PutSnapshot) else ()
    if not documents:
        return plan
    subjects = {one.digest: values.replace(Descriptor.of(one), media_type=effective_type(one)) for one in documents}
    steps, what = _signing(store, tuple(subjects.values()), signers, options, scope)
    return values.replace(
        plan,
        steps=tuple(in_order((*plan.steps, *steps))),
        reasons=(*plan.reasons, *what),
        names=plan.names or tuple(tag.name for tag in plan.tags),
        attaches=True,
    )


def _form_of(store: Store, document: Document | None) -> str:
    """The form in which a manifest is signed: both where it is in both, tag where it is in none."""
    if document is None:
        return FORMS[0]
    listed = store.referrers(document.digest)
    in_bundle = any(one.annotations.get(bundles.PREDICATE_TYPE) == bundles.PREDICATE for one in listed)
    in_list = in_bundle and store.head(signature_tag(document.digest)) is not None
    return FORMS[in_bundle + in_list]


def _signing(
    store: Store, subjects: Sequence[Descriptor], signers: Sequence[Signer], options: SignOptions, scope: Scope
) -> tuple[list[PlanStep], tuple[ChangeReason, ...]]:
    """The steps that sign each of the manifests, none for what is signed so, and what is done with each."""
    signed = collect(scope, lambda one: _signed(store, one, signers, options), subjects, store.traits.concurrency)
    steps = [step for one in signed for step in _steps(one)]
    if any(one.bundles for one in signed):
        steps.append(PutBlob(bundles.empty(), BytesSource(bundles.EMPTY), "empty config"))
    done = (one for one in signed if one.layers or one.bundles)
    return steps, tuple(ChangeReason(f"signs {one.subject.named}: {_forms(one)}") for one in done)


def _signed(store: Store, subject: Descriptor, signers: Iterable[Signer], options: SignOptions) -> _Signed:
    claim = _claim(subject, options)
    found = _Signed(subject)
    if "tag" in options.forms:
        held = find_manifest(store, signature_tag(subject.digest))
        payload = simple_signing.compose_payload(claim)
        layers = tuple(_layers(held, payload, signers, signature_tag(subject.digest)))
        found = values.replace(found, list_before=held, layers=layers)
    if "bundle" in options.forms:
        signature_tag(subject.digest)  # the digest is one that signatures are of
        listed = {one.digest for one in store.referrers(subject.digest)}
        statement = bundles.compose_statement(claim)
        made = [bundle_by(signer, subject, statement) for signer in signers]
        found = values.replace(found, bundles=tuple(one for one in made if one[0].digest not in listed))
    return found


def _layers(
    held: Document | None, payload: bytes, signers: Iterable[Signer], tag: str
) -> Iterable[tuple[Descriptor, bytes]]:
    """A layer for each signer whose signature of the payload is not in the list."""
    there = [one for one in entries(held, tag) if one.digest.matches(payload)]
    made: list[PublicKey] = []
    for signer in signers:
        if signer.public in made or any(_is_by(signer.public, one, payload) for one in there):
            continue
        made.append(signer.public)
        yield simple_signing.layer_of(payload, signer.sign(payload)), payload


def _is_by(key: PublicKey, layer: Descriptor, payload: bytes) -> bool:
    try:
        return key.verifies(simple_signing.signature_in(layer), payload)
    except MalformedDocument:
        return False


def bundle_by(
    signer: Signer, subject: Descriptor, statement: bytes, predicate: str = bundles.PREDICATE
) -> tuple[Document, bytes]:
    """The manifest that refers to `subject`, and the bundle in it around a statement with that predicate."""
    signature = signer.sign(bundles.pae(statement))
    data = bundles.compose_bundle(statement, signature, signer.public.hint)
    return bundles.compose_manifest(subject, data, predicate), data


def _steps(signed: _Signed) -> Iterable[PlanStep]:
    label = signed.subject.label
    if signed.layers:
        tag = signature_tag(signed.subject.digest)
        after, config = appended(signed.list_before, [layer for layer, _ in signed.layers], tag)
        for layer, payload in {layer.digest: (layer, payload) for layer, payload in signed.layers}.values():
            bare = values.replace(layer, annotations={})
            yield PutBlob(bare, BytesSource(payload), f"payload for {label}")
        yield PutBlob(Descriptor.of(config), BytesSource(config.raw), f"config of {tag}")
        yield Tag(tag, after, signed.list_before)
    for document, data in signed.bundles:
        yield PutBlob(Descriptor.of(Document(data, bundles.BUNDLE)), BytesSource(data), f"bundle for {label}")
        yield PutManifest(document, f"signature of {label}")


def _claim(subject: Descriptor, options: SignOptions) -> Claim:
    return Claim(subject.digest, options.identity, options.annotations)


def _forms(signed: _Signed) -> str:
    count = len(signed.layers), len(signed.bundles)
    words = [f"{count[0]} in the list {signature_tag(signed.subject.digest)}"] if count[0] else []
    words += [f"{count[1]} as bundle"] if count[1] else []
    return ", ".join(words)
