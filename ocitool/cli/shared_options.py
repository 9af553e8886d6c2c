"""Options that every command takes: their words, for commands and for `ocitool --help`, which tells them once."""

from typing import Final, NamedTuple


class SharedOption(NamedTuple):
    """One option: its names, what stands for its value (empty: it takes none), its variable, what it does."""

    names: tuple[str, ...]
    metavar: str
    variable: str
    summary: str


SHARED_OPTIONS: Final = (
    SharedOption(("--json",), "", "", "One JSON envelope on stdout."),
    SharedOption(("-q", "--quiet"), "", "", "Only data and errors."),
    SharedOption(("-v", "--verbose"), "", "", "Tell more."),
    SharedOption(("--plain-http",), "HOST", "OCITOOL_PLAIN_HTTP", "Use HTTP."),
    SharedOption(("--insecure",), "HOST", "OCITOOL_INSECURE", "Do not check this host's certificate."),
    SharedOption(("--ca",), "FILE", "OCITOOL_CA", "Also trust this CA certificate."),
    SharedOption(("--anonymous",), "HOST", "OCITOOL_ANONYMOUS", "Read from this host without credentials."),
    SharedOption(("--part-mib",), "N", "OCITOOL_PART_MIB", "Upload in parts of this size."),
    SharedOption(
        ("--jobs",),
        "N",
        "OCITOOL_JOBS",
        "How many requests and compilers at once  [default: 16, and one for each processor]",
    ),
    SharedOption(
        ("--rate",),
        "RATE",
        "OCITOOL_RATE",
        "At most so much of a host: 10/s requests, 5MiB/s, HOST=100/6h; repeats.",
    ),
    SharedOption(("--cache-dir",), "DIR", "OCITOOL_CACHE_DIR", "This machine's store  [default: ~/.cache/ocitool]"),
)


def named(flag: str) -> SharedOption:
    """The option with this name."""
    return next(one for one in SHARED_OPTIONS if flag in one.names)
