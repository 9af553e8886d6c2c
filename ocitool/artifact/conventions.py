"""Conventions of ORAS: what annotations mean, which types stand where none is named, and files of annotations.

Names and readings are oras-py's own, so that there is one truth about them; the types of whole artifacts are those
of the ORAS command line, which follows image-spec 1.1 where oras-py still does not. Spec: image-spec manifest.md,
"Guidelines for Artifact Usage".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from oras import defaults
from oras.oci import Annotations
from oras.utils.fileio import split_path_and_content

from ocitool.arguments import read_small
from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.document import parse
from ocitool.model.numbers import MIB

TITLE: Final[str] = defaults.annotation_title
"""The annotation with the path of a file in the folder that it is pulled into."""
UNPACK: Final[str] = defaults.annotation_unpack
"""The annotation that says, with "true", that the blob is a packed directory."""
CONTENT_DIGEST: Final[str] = defaults.annotation_digest
"""The annotation with the digest of a packed directory's tar."""
FILE_TYPE: Final[str] = defaults.default_blob_media_type
"""The type of a file where none is named."""
DIRECTORY_TYPE: Final[str] = defaults.default_blob_dir_media_type
CONFIG_TYPE: Final[str] = defaults.unknown_config_media_type
"""The type of a config file where none is named."""
ARTIFACT_TYPE: Final = "application/vnd.unknown.artifact.v1"
"""The type of an artifact where none is named."""
OF_MANIFEST: Final = "$manifest"
OF_CONFIG: Final = "$config"
"""The keys of an annotation file that are no paths."""

_ANNOTATIONS_LIMIT: Final = MIB
_ARCHIVES: Final = (".tar.gz", ".tgz", ".gz", ".tar")


def split_type(word: str) -> tuple[str, str]:
    """`PATH[:TYPE]` as path and media type, the latter empty where none is named. Raises UsageError."""
    found = split_path_and_content(word)
    path, media_type = str(found.path), str(found.content or "")
    if not path or "\0" in path:
        raise UsageError(f"not a file: {word!r}", hint="write PATH or PATH:MEDIA-TYPE")
    if media_type and (media_type.count("/") != 1 or not media_type.isascii() or " " in media_type):
        raise UsageError(
            f"no file {word}, and {media_type[:100]!r} is no media type",
            hint="write PATH:TYPE/SUBTYPE, such as report.json:application/json",
        )
    return path, media_type


class AnnotationFile:
    """The annotations that a JSON file has for paths, for `$manifest` and for `$config`; without a file none."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises LocalIOError, MalformedDocument for what is no object of objects of words."""
        self._read = Annotations()
        if path is not None:
            self._read.lookup = _sections(path)

    def of(self, section: str) -> dict[str, str]:
        """What the file says of a path, as it is written there or absolute, or of a key of its own."""
        return dict(self._read.get_annotations(section))

    @property
    def sections(self) -> tuple[str, ...]:
        """Every path and key that the file speaks of."""
        return tuple(self._read.lookup)


def _sections(path: Path) -> dict[str, dict[str, str]]:
    data = read_small(path, _ANNOTATIONS_LIMIT)
    try:
        tree = parse(data)
    except MalformedDocument as error:
        error.add_note(f"in the annotation file {path}")
        raise
    if not isinstance(tree, Mapping) or not all(
        isinstance(section, Mapping) and all(isinstance(value, str) for value in section.values())
        for section in tree.values()
    ):
        raise MalformedDocument(
            f"{path} is no file of annotations",
            where=str(path),
            hint='it looks like {"$manifest": {"KEY": "VALUE"}, "FILE": {"KEY": "VALUE"}}',
        )
    return {str(key): dict(section) for key, section in tree.items()}


def is_packed_directory(media_type: str, annotations: Mapping[str, str], *, by_type: bool = False) -> bool:
    """Whether a blob is a directory to be unpacked.

    The ORAS command line says so in an annotation. oras-py does not, and unpacks whatever has the type (`by_type`);
    else that type counts where nothing is annotated and the title is not that of an archive.
    """
    if by_type:
        return media_type == DIRECTORY_TYPE
    said = annotations.get(UNPACK)
    if said is not None:
        return said == "true"
    return media_type == DIRECTORY_TYPE and not annotations.get(TITLE, "").lower().endswith(_ARCHIVES)
