"""Messages between the build and its helper in the namespaces: JSON objects, each behind its length."""

import json
import socket
import struct
from typing import Any, Final

from ocitool import errors
from ocitool.errors import OcitoolError
from ocitool.model.numbers import MIB

_LENGTH: Final = struct.Struct("!I")
MAX_MESSAGE: Final = 256 * MIB
"""Longest message: secrets and the contents of scripts travel in it."""

Message = dict[str, Any]


def send(channel: socket.socket, message: Message) -> None:
    """Send one message. Raises OSError when nobody listens any more."""
    data = json.dumps(message).encode("ascii")
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> Message | None:
    """The next message, None at the end. Raises OSError."""
    head = _exactly(channel, _LENGTH.size)
    if head is None:
        return None
    (size,) = _LENGTH.unpack(head)
    data = _exactly(channel, size) if size <= MAX_MESSAGE else None
    if data is None:
        return None
    found: Message = json.loads(data)
    return found


def error_message(error: OcitoolError) -> Message:
    """An error as a message."""
    return {"error": {"kind": type(error).__name__, "what": error.what, "hint": error.hint}}


def raise_error(message: Message) -> None:
    """Raise the error that a message holds, if it holds one."""
    told = message.get("error")
    if told is not None:
        kind = getattr(errors, told["kind"], OcitoolError)
        raise kind(told["what"], hint=told["hint"])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), MIB))
        if not part:
            return None
        parts += part
    return bytes(parts)
