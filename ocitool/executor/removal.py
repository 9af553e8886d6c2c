"""A folder removed whatever is in it: deeper than any path, and closed to its owner."""

import os
from contextlib import suppress


def remove_tree(path: str) -> None:
    """Remove a folder and what is in it; nothing else, whatever its links say. Raises OSError.

    Folders in it are moved to its top before they are emptied, so that no path grows.
    """
    os.chmod(path, 0o700)
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    count = 0
    try:
        while names := os.listdir(top):
            for name in names:
                try:
                    os.unlink(name, dir_fd=top)
                except (IsADirectoryError, PermissionError):
                    count = _empty(top, name, count)
                    os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    with suppress(FileNotFoundError):
        os.rmdir(path)


def _empty(top: int, name: str, count: int) -> int:
    """Empty a folder of the top: its own folders get new names beside it, counted up from `count`."""
    os.chmod(name, 0o700, dir_fd=top)
    here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    try:
        for inner in os.listdir(here):
            try:
                os.unlink(inner, dir_fd=here)
            except (IsADirectoryError, PermissionError):
                while True:
                    count += 1
                    try:
                        os.stat(f".gone-{count}", dir_fd=top, follow_symlinks=False)
                    except FileNotFoundError:
                        break
                os.chmod(inner, 0o700, dir_fd=here)
                os.rename(inner, f".gone-{count}", src_dir_fd=here, dst_dir_fd=top)
    finally:
        os.close(here)
    return count
