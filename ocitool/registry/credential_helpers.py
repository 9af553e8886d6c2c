"""Helper programs that keep credentials, asked and told; with toolchains/processes.py the only user of subprocess.

Protocol: docker-credential-helpers. Nothing of what a helper says is shown: it may be a secret.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import IO, Final, cast

from ocitool.errors import AuthError
from ocitool.model.numbers import MIB
from ocitool.registry.credentials import Credentials

HELPER_S: Final = 15.0
"""How long a helper program may take."""
_ANSWER_LIMIT: Final = MIB
"""Bytes of a helper's answer that are read: no user name and password are longer."""
_NOT_FOUND: Final = "credentials not found in native keychain"


def ask_helper(name: str, server: str, environ: Mapping[str, str]) -> Credentials:
    """What `docker-credential-NAME get` says of a server; anonymous if it has nothing.

    A helper that is missing, fails or hangs gives anonymous credentials with a `problem`: reading may go
    on, writing must not (K070).
    """
    program = f"docker-credential-{name}"
    done = _run_helper(name, "get", server.encode(), environ)
    if isinstance(done, str):
        return Credentials(source=program, problem=done)
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()
        # Its output may hold a secret even then; only the one known sentence is understood.
        problem = "" if said == _NOT_FOUND else f"{program} failed with exit code {done.returncode}"
        return Credentials(source=program, problem=problem)
    try:
        tree = json.loads(done.stdout)
        user, secret = str(tree["Username"]), str(tree["Secret"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Credentials(source=program, problem=f"{program} answered something that is no credentials")
    if user == "<token>":
        return Credentials(identity_token=secret, source=program)
    return Credentials(user, secret, source=program)


def tell_helper(name: str, verb: str, message: object, environ: Mapping[str, str]) -> None:
    """Let a helper `store` or `erase` a login. Raises AuthError; the message is never shown."""
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise AuthError(
            f"docker-credential-{name} keeps UTF-8 alone, and the user name or password is not",
            source=f"docker-credential-{name}",
        ) from None
    done = _run_helper(name, verb, data, environ)
    if isinstance(done, str):
        raise AuthError(done, source=f"docker-credential-{name}")
    if done.returncode != 0:
        raise AuthError(f"docker-credential-{name} {verb} failed with exit code {done.returncode}")


def find_helper(name: str, environ: Mapping[str, str]) -> str | None:
    """The program of a helper, looked for in PATH's absolute folders only; None where it is not."""
    path = os.pathsep.join(p for p in environ.get("PATH", "").split(os.pathsep) if p.startswith("/"))
    return shutil.which(f"docker-credential-{name}", path=path) if "/" not in name else None


def _run_helper(
    name: str, verb: str, message: bytes, environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes] | str":
    """The finished helper, or a line that says why it could not be run."""
    program = f"docker-credential-{name}"
    found = find_helper(name, environ)
    if found is None:
        return f"{program} is not on PATH"
    try:
        process = subprocess.Popen(
            [found, verb], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=dict(environ), start_new_session=True
        )
    except OSError as error:
        return f"{program} cannot be started: {error.strerror}"
    with process:
        try:
            answer = _converse(process, message)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if answer is None:
        return f"{program} did not answer in {HELPER_S:.0f} s"
    if len(answer) > _ANSWER_LIMIT:
        return f"{program} answered more than {_ANSWER_LIMIT} bytes"
    return subprocess.CompletedProcess([], process.returncode, answer)


def _converse(process: "subprocess.Popen[bytes]", message: bytes) -> bytes | None:
    """What a helper answers to a message, at most a byte over the limit; None where it takes too long."""
    deadline = time.monotonic() + HELPER_S
    stdin, stdout = (cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout))
    os.set_blocking(stdin.fileno(), False)
    rest, answer = memoryview(message), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        while selector.get_map() and len(answer) <= _ANSWER_LIMIT:
            ready = [key.fileobj for key, _ in selector.select(max(0.0, deadline - time.monotonic()))]
            if not ready:
                return None
            if stdin in ready:
                try:
                    rest = rest[os.write(stdin.fileno(), rest) :]
                except BrokenPipeError:  # it answers without reading
                    rest = rest[:0]
                if not rest:
                    selector.unregister(stdin)
                    stdin.close()
            if stdout in ready:
                piece = os.read(stdout.fileno(), 65_536)
                if not piece:
                    selector.unregister(stdout)
                answer += piece
    if len(answer) > _ANSWER_LIMIT:
        return bytes(answer)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
    return bytes(answer)
