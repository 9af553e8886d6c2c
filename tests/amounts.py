"""How much of a generated or killed thing a test tries: enough in `make test`, far more in `make long`."""

import os

LONG = bool(os.environ.get("OCITOOL_LONG"))


def amount(short: int, long: int) -> int:
    """`long` in `make long`, else `short`."""
    return long if LONG else short
