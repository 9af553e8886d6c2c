"""How hosts are reached, as data."""

from dataclasses import dataclass, field
from pathlib import Path

from ocitool.tasks import Retry


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach registries; resolved once from flags, environment and defaults.

    Hosts in `plain_http` are asked over HTTP (loopback hosts always may be), the certificates of those in
    `insecure` are not checked. `journal` is a folder for the upload journal, None for no resuming.
    """

    plain_http: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    connections: int = 16
    retry: Retry = field(default_factory=Retry)
    journal: Path | None = None
