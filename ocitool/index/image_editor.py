"""Edits of the images under one name, each platform of an index: words in, plans out. Reads, and writes nothing."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ocitool.arguments import count_of, mapping_of, maybe_text, text_of, words_of
from ocitool.change.difference import difference
from ocitool.change.plan import Plan, PutBlob
from ocitool.errors import UsageError, as_one
from ocitool.image.annotations import AnnotationLevel, Annotations, annotations_of
from ocitool.image.config_edit import ConfigChanges, edit_config, health_changes, with_config
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import IndexEntry, Selector, check_runnable
from ocitool.index.image_plans import AttestationChoice, EditedImage, plan_images
from ocitool.index.name_editor import NameEditor, Texts
from ocitool.model.document import Document
from ocitool.model.mediatype import Family, family_of
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, Manifest
from ocitool.store.base import BytesSource, Store
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.values import dataclass, replace
from ocitool.workspace import PlatformWords

Values: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class ImageEditor(NameEditor):
    """Edits of every image below a name, or of chosen ones, each as a plan that `Client.apply` carries out.

    Images that do not change keep their bytes. `tags` are full references in the same repository: the result is
    written there, and the name keeps what it holds. Platforms mean every image of theirs, one without an OS version
    every version. `attestations` says what becomes of those in an index whose image gets another digest: keep,
    drop, or referrers, which leaves them beside the old image; without it that is refused.
    """

    @as_one()
    def edit_config(
        self,
        *,
        platforms: PlatformWords = (),
        digests: Texts = (),
        entrypoint: Iterable[str] | None = None,
        cmd: Iterable[str] | None = None,
        env: Values | None = None,
        user: str | None = None,
        workdir: str | None = None,
        labels: Values | None = None,
        expose: Texts = (),
        remove_expose: Texts = (),
        volumes: Texts = (),
        remove_volumes: Texts = (),
        stop_signal: str | None = None,
        created: str | None = None,
        health_cmd: Texts | None = None,
        health_interval: str | None = None,
        health_timeout: str | None = None,
        health_start_period: str | None = None,
        health_start_interval: str | None = None,
        health_retries: int | None = None,
        no_healthcheck: bool = False,
        os: str | None = None,
        arch: str | None = None,
        variant: str | None = None,
        os_version: str | None = None,
        os_features: Texts | None = None,
        annotations: Values | None = None,
        attestations: str = "",
        tags: Texts = (),
    ) -> Plan:
        """What configs say set or taken away, and annotations of manifests, of the index and of its entries.

        None leaves a setting alone and an empty value takes it away; a name in `env`, `labels` or `annotations`
        whose value is None is taken away. Where the entrypoint changes, a cmd that is not named goes. `health_cmd`
        is a line for the shell, or the words of a program. `created` is a moment in RFC 3339, or seconds since
        1970. os, arch, variant, os_version and os_features are set in the config and in the entry of its index. A
        key of `annotations` may name its place, as in `index:key`; without one it is for the manifests.
        """
        health = health_changes(
            health_cmd if isinstance(health_cmd, str) or health_cmd is None else words_of(health_cmd, "health_cmd"),
            interval=maybe_text(health_interval, "health_interval"),
            timeout=maybe_text(health_timeout, "health_timeout"),
            start_period=maybe_text(health_start_period, "health_start_period"),
            start_interval=maybe_text(health_start_interval, "health_start_interval"),
            retries=None if health_retries is None else count_of(health_retries, "health_retries"),
            none=no_healthcheck,
        )
        changes = ConfigChanges(
            entrypoint=None if entrypoint is None else words_of(entrypoint, "entrypoint"),
            cmd=None if cmd is None else words_of(cmd, "cmd"),
            env=_values(env, "env"),
            user=maybe_text(user, "user"),
            workdir=maybe_text(workdir, "workdir"),
            labels=_values(labels, "labels"),
            expose=words_of(expose, "expose"),
            remove_expose=words_of(remove_expose, "remove_expose"),
            volumes=words_of(volumes, "volumes"),
            remove_volumes=words_of(remove_volumes, "remove_volumes"),
            stop_signal=maybe_text(stop_signal, "stop_signal"),
            created=maybe_text(created, "created"),
            health=health,
        )
        marks = EntryChanges(
            maybe_text(os, "os"),
            maybe_text(arch, "arch"),
            maybe_text(variant, "variant"),
            maybe_text(os_version, "os_version"),
            None if os_features is None else words_of(os_features, "os_features"),
        )
        named = _values(annotations, "annotations")
        added = annotations_of({k: v for k, v in named.items() if v is not None}, AnnotationLevel.MANIFEST)
        removed = annotations_of({k: "" for k, v in named.items() if v is None}, AnnotationLevel.MANIFEST)
        if (changes, marks) == (ConfigChanges(), EntryChanges()) and not added and not removed:
            raise UsageError("what should be set?", hint="say --label, --env, --annotation and the like")
        chosen = self._chosen(platforms, digests)
        store, name, written = self._open(tags)
        on_manifests = _values_by_platform(added, removed)

        def on_index(index: Index) -> Document:
            here = None if chosen == Selector() else chosen
            return edit.annotate_placed(index, _beside(added), _beside(removed), here)

        plan = plan_images(
            store,
            name,
            _ConfigEdit(store, changes, marks, on_manifests),
            chosen=chosen,
            named=Selector(tuple(platform for platform, _, _ in on_manifests if platform is not None)),
            on_index=on_index if _beside(added) or _beside(removed) else None,
            attestations=AttestationChoice.named(attestations),
            tags=written,
            scope=self.work.scope,
        )
        return self._told(store, plan, name, written)


_Said: TypeAlias = tuple[Platform | None, str, str | None]
"""An annotation of manifests: for which platform, its key, its value or None to take it away."""


@dataclass(frozen=True, slots=True)
class _ConfigEdit:
    """What is done to one image."""

    store: Store
    changes: ConfigChanges
    marks: EntryChanges
    annotations: tuple[_Said, ...]

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        scope.check()
        done = self._configured(manifest, platform)
        values = {
            key: value
            for named, key, value in self.annotations
            if named is None
            or (platform is not None and Selector((named,)).matches(_entry_for(manifest, platform)))
        }
        if not values:
            return done
        if any(value is not None for value in values.values()) and _is_docker(manifest):
            raise UsageError(
                "a Docker manifest cannot carry annotations",
                hint="ocitool index convert REF --format oci comes first",
            )
        after = done.manifest.edit(lambda tree: edit.set_annotations(tree, values))
        return replace(done, manifest=after, told=(*done.told, *_lines(done.manifest, after)))

    def _configured(self, manifest: Manifest, platform: Platform | None) -> EditedImage:
        if (self.changes, self.marks) == (ConfigChanges(), EntryChanges()):
            return EditedImage(manifest.document)
        config = read_config(self.store, manifest.config)
        wanted = self.marks.on(config.platform)
        if wanted == config.platform:
            wanted = None
        if wanted is not None:
            check_runnable(wanted, "the image")
        after = edit_config(config, self.changes, wanted)
        if after is config.document:
            return EditedImage(manifest.document, entry=self.marks)
        held = Descriptor(manifest.config.media_type, after.digest, after.size)
        blob = PutBlob(held, BytesSource(after.raw), f"config of {platform or config.platform}")
        told = _lines(config.document, after)
        return EditedImage(with_config(manifest, after), (blob,), told, self.marks)


def _lines(before: Document, after: Document) -> tuple[str, ...]:
    return tuple(change.text() for change in difference(before, after))


def _is_docker(manifest: Manifest) -> bool:
    return family_of(manifest.effective_type) is Family.DOCKER


def _entry_for(manifest: Manifest, platform: Platform) -> IndexEntry:
    return IndexEntry.of(Descriptor.of(manifest.document, platform))


def _values_by_platform(added: Annotations, removed: Annotations) -> tuple[_Said, ...]:
    both = (*((one, one.value) for one in added.all), *((one, None) for one in removed.all))
    return tuple((one.platform, one.key, value) for one, value in both if one.level is AnnotationLevel.MANIFEST)


def _beside(annotations: Annotations) -> Annotations:
    """Those of the index and its entries."""
    return Annotations(tuple(one for one in annotations.all if one.level is not AnnotationLevel.MANIFEST))


def _values(given: Values | None, what: str) -> dict[str, str | None]:
    return {text_of(key, what): maybe_text(value, what) for key, value in mapping_of(given, what).items()}
