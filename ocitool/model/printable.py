"""Text of others on a terminal and in JSON: names and messages come from registries and may hold anything."""

import re


def shown(text: str, *, keep: str = "") -> str:
    """The text on one line, whatever it is made of: what a terminal would obey or refuse stands as an escape.

    Characters of `keep`, such as a tab, stay.
    """
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def unicode(text: str) -> str:
    """The text with what cannot be written as UTF-8 as escapes."""
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def shown_json(text: str) -> str:
    """A JSON text that says the same with nothing in it that a terminal would obey or UTF-8 cannot write.

    Such characters stand in its strings only, where JSON has an escape for each.
    """
    return re.sub(r"[^\x20-\x7e\n]", lambda match: match[0] if match[0].isprintable() else _units(match[0]), text)


def ascii_json(text: str) -> str:
    """A JSON text that says the same in ASCII alone."""
    return re.sub(r"[^\x00-\x7e]", lambda match: _units(match[0]), text)


def _units(char: str) -> str:
    """The escapes of a character in JSON, one for each of its UTF-16 units. Spec: RFC 8259, "Strings".

    Half a pair, or a byte of a name that is no UTF-8, is no character, and readers differ or refuse what JSON has
    for it (section 8.2): it stands as text shows it.
    """
    if "\ud800" <= char <= "\udfff":
        return _escape(char).replace("\\", "\\\\")
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(data[at : at + 2], 'big'):04x}" for at in range(0, len(data), 2))


def _escape(char: str) -> str:
    byte = ord(char) - 0xDC00  # a byte of a file's name that is no UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else char.encode("unicode_escape").decode()


def human(size: int) -> str:
    """A number of bytes in powers of 1000, as Docker Hub shows it."""
    if size < 1000:
        return f"{size} B"
    value, power = size / 1000, 0
    while value >= 999.5 and power < 3:
        value, power = value / 1000, power + 1
    digits = 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {('kB', 'MB', 'GB', 'TB')[power]}"
