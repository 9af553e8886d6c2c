"""Options of attestations: which a build makes, and where they stand."""

from typing import Final

from ocitool.errors import UsageError
from ocitool.values import dataclass

ATTEST_FORMS: Final = ("index", "referrers")
"""In the index beside the images, as BuildKit does it, or in manifests that refer to the images."""
SBOM_FORMATS: Final = ("spdx", "cyclonedx")
BUILDER: Final = "urn:ocitool:builder:local"
"""Who built, where nobody says: a machine of somebody's, which vouches for nothing."""


@dataclass(frozen=True, slots=True)
class AttestOptions:
    """Which attestations a build makes. `sbom` is its format, empty for none; `builder` is the URI of who builds.

    Raises UsageError for words that mean nothing.
    """

    sbom: str = ""
    provenance: bool = False
    form: str = ATTEST_FORMS[0]
    builder: str = BUILDER

    def __post_init__(self) -> None:
        if self.sbom and self.sbom not in SBOM_FORMATS:
            raise UsageError(f"no format of SBOMs: {self.sbom!r}", hint=f"one of {', '.join(SBOM_FORMATS)}")
        if self.form not in ATTEST_FORMS:
            raise UsageError(f"no form of attestations: {self.form!r}", hint=f"one of {', '.join(ATTEST_FORMS)}")
        scheme, colon, rest = self.builder.partition(":")
        if not (scheme and colon and rest) or not self.builder.isprintable() or " " in self.builder:
            raise UsageError(f"the id of a builder is a URI, and not {self.builder[:100]!r}")

    def __bool__(self) -> bool:
        return bool(self.sbom) or self.provenance

    @property
    def is_in_index(self) -> bool:
        """Whether something stands in the index beside the images."""
        return bool(self) and self.form == "index"
