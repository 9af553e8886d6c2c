"""Text of others on a terminal: names, labels and messages come from registries and may hold anything."""


def shown(text: str) -> str:
    """The text on one line, whatever it is made of: what a terminal would obey or refuse stands as an escape."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def unicode(text: str) -> str:
    """The text with what cannot be written as UTF-8 as escapes."""
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def _escape(char: str) -> str:
    byte = ord(char) - 0xDC00  # a byte of a file's name that is no UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else char.encode("unicode_escape").decode()
