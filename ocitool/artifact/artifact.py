"""The artifact under one name: what is pushed there, what it holds, and its files in a folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ocitool.arguments import pairs_of, path_of, text_of, words_of
from ocitool.artifact.attach import plan_attach
from ocitool.artifact.pull import ArtifactListing, Pulled, list_artifact, pull_artifact
from ocitool.artifact.push import ArtifactOptions, plan_artifact
from ocitool.change.plan import Plan
from ocitool.errors import as_one
from ocitool.workspace import Workspace


class Artifact:
    """Files under a name in a registry, layout or archive, by the conventions of ORAS."""

    def __init__(self, work: Workspace, name: str, environ: Mapping[str, str]) -> None:
        self._work, self._name, self._environ = work, name, environ

    @as_one()
    def push(
        self,
        *files: str | Path,
        artifact_type: str = "",
        config: str | Path = "",
        annotations: Mapping[str, str] | None = None,
        annotation_file: str | Path | None = None,
    ) -> Plan:
        """The plan for `apply` that lets the name hold these files, whatever it held; `undo` takes it back.

        A file is `PATH` or `PATH:MEDIA-TYPE`; a directory is packed. Each keeps its path within the current folder
        as its title, or only its name where it lies elsewhere. `config` is a file that stands in the place of an
        image's config. `annotations` are the manifest's; an `annotation_file` has some for each path, `$manifest`
        and `$config`.
        """
        words = tuple(str(path_of(file, "a file")) for file in files)
        options = ArtifactOptions(
            text_of(artifact_type, "artifact_type"),
            str(config),
            dict(pairs_of(annotations, "annotations")),
            None if annotation_file is None else path_of(annotation_file, "annotation_file"),
        )
        store, name = self._work.opener.open(self._name, write=True)
        return plan_artifact(self._work, store, name, words, options, environ=self._environ)

    @as_one()
    def attach(
        self,
        *files: str | Path,
        artifact_type: str,
        each_platform: bool = False,
        annotations: Mapping[str, str] | None = None,
        annotation_file: str | Path | None = None,
    ) -> Plan:
        """The plan for `apply` that lets these files refer to what the name holds, which stays as it is.

        With `each_platform` to each image of the index there instead. Files and annotations are as for `push`;
        `undo` of the name takes them back.
        """
        words = tuple(str(path_of(file, "a file")) for file in files)
        options = ArtifactOptions(
            text_of(artifact_type, "artifact_type"),
            annotations=dict(pairs_of(annotations, "annotations")),
            annotation_file=None if annotation_file is None else path_of(annotation_file, "annotation_file"),
        )
        store, name = self._work.opener.open_edited(self._name)
        return plan_attach(
            self._work, store, name, words, options, each_platform=each_platform, environ=self._environ
        )

    @as_one()
    def listing(self) -> ArtifactListing:
        """What the name holds: type, annotations, and each file's title, type, size and digest."""
        return list_artifact(*self._work.opener.open(self._name))

    @as_one()
    def pull(self, folder: str | Path = ".", *, keep_old: bool = False, only: Iterable[str] | str = ()) -> Pulled:
        """Write the files that have a title into a folder, verified and never outside it; unpack directories.

        What stands there gives way, unless `keep_old`. `only` are titles; others stay behind.
        """
        store, name = self._work.opener.open(self._name)
        listing = list_artifact(store, name).only(words_of(only, "a title"))
        return pull_artifact(self._work, store, listing, path_of(folder, "a folder"), keeps_old=keep_old)
