"""`ocitool init`: an ocitool.toml for the folder that is there."""

from pathlib import Path

import click

from ocitool.builder.initial_spec import initial_spec
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError, local_io
from ocitool.model.files import temporary_beside
from ocitool.project.build_files import FILE_NAME


@click.command()
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over an ocitool.toml that is there.")
@click.option("--dry-run", is_flag=True, help="Print it; write nothing.")
@common
def command(app: App, *, path: Path, force: bool, dry_run: bool) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Write an ocitool.toml for PATH: what is found there, and comments about the rest.

    Found are a Dockerfile, Go, Rust, CMake, meson, configure scripts, make, sources of C and C++, and programs
    whose paths say which architecture they are for, such as out/arm64/app.
    """
    text, file = initial_spec(path), path / FILE_NAME
    if dry_run:
        return Outcome({"text": text}, raw=text.encode())
    if not force and (file.exists() or file.is_symlink()):
        raise UsageError(f"{file} is there already", hint="--force writes over it, --dry-run only prints")
    temporary = temporary_beside(file)
    try:
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file)  # a link there is written over, not what it leads to
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {file}") from error
    return Outcome({"file": str(file), "text": text}, summary=f"wrote {file}; ocitool build {path} reads it")
