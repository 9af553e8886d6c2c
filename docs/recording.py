"""Writes docs/recording.svg: half a minute of a terminal, with what the commands print when this runs.

`python docs/recording.py` needs docker-registry. Commands that are shown are run, one after the other, against a
registry on loopback, which the picture calls localhost:5000.
"""

import html
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests import peers  # noqa: E402 - the checkout that this file stands in
from tests.conftest import homes, process_environment  # noqa: E402
from tests.peers.registries import distribution  # noqa: E402

PICTURE = REPOSITORY / "docs" / "recording.svg"
SHOWN_HOST = "localhost:5000"
SCENES = (
    (
        "ocitool build testdata/src-go/hello --platform linux/amd64,linux/arm64,linux/arm/v7"
        " -t localhost:5000/app:1 --push"
    ),
    "ocitool index remove localhost:5000/app:1 --platform linux/arm64",
    "ocitool check localhost:5000/app:1 --expect linux/amd64,linux/arm64,linux/arm/v7",
    "ocitool undo localhost:5000/app:1",
    "ocitool inspect localhost:5000/app:1",
)
FINISHED = re.compile(r": (compiled|packed|stored|tagged) ")  # a terminal has bars instead, which go
COLUMNS, ROWS = 96, 24
CHARACTER, LINE, MARGIN = 8.0, 18, 16
SECONDS = 30.0
TYPED = 45.0  # characters a second


@dataclass(frozen=True, slots=True)
class Shown:
    """A line, when it is there, in seconds from the start, and for how long it is typed; 0 is at once."""

    text: str
    at: float
    typing: float = 0.0


def main() -> None:
    """Run the scenes and write the picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        distribution(peers.find("docker-registry"), Path(folder) / "registry") as registry,
    ):
        outputs = [_run(scene, registry.host, Path(folder) / "home") for scene in SCENES]
    PICTURE.write_text(picture(list(shown(outputs))))


def _run(scene: str, host: str, home: Path) -> list[str]:
    script = scene.replace(SHOWN_HOST, host)
    environment = process_environment({**homes(home), **peers.go_environment(), "COLUMNS": str(COLUMNS)})
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{script} 2>&1"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:  # 1 is the answer no
        raise SystemExit(f"{scene}: {done.stdout}")
    lines = done.stdout.replace(host, SHOWN_HOST).splitlines()
    return [line[:COLUMNS] for line in lines if not FINISHED.search(line)]


def shown(outputs: list[list[str]]) -> Iterator[Shown]:
    """All lines with their moments; what is left of the time is given to the pauses after outputs."""
    typing = sum(len(scene) for scene in SCENES) / TYPED
    pause = (SECONDS - typing) / (len(SCENES) + 1)
    at = 0.5
    for scene, output in zip(SCENES, outputs, strict=True):
        for number, line in enumerate(textwrap.wrap(scene, COLUMNS - 4)):
            text = f"    {line}" if number else f"$ {line}"
            yield Shown(text, at, len(text) / TYPED)
            at += len(text) / TYPED
        yield from (Shown(line, at + 0.3) for line in output)
        at += pause


def picture(lines: list[Shown]) -> str:
    """The SVG: each line appears at its moment, and the lines move up when the window is full."""
    styles, texts, moves = [], [], []
    for number, line in enumerate(lines):
        begin, end = (100 * moment / SECONDS for moment in (line.at, line.at + line.typing))
        hidden, steps = "clip-path:inset(0 100% 0 0)", max(1, len(line.text)) if line.typing else 1
        styles.append(
            f"@keyframes l{number}{{0%,{begin:.2f}%{{{hidden}}}{end + 0.01:.2f}%,100%{{clip-path:inset(0)}}}}"
        )
        styles.append(f"#l{number}{{animation:l{number} {SECONDS:g}s steps({steps}) infinite}}")
        kind = ' class="typed"' if line.typing else ""
        y = MARGIN + LINE * (number + 1)
        texts.append(f'<text id="l{number}" x="{MARGIN}" y="{y}"{kind}>{html.escape(line.text)}</text>')
        if number >= ROWS:
            moves.append(f"{begin:.2f}%{{transform:translateY(-{LINE * (number - ROWS + 1)}px)}}")
    last = f"transform:translateY(-{LINE * max(0, len(lines) - ROWS)}px)"
    width, height = round(COLUMNS * CHARACTER) + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    told = html.escape("; ".join(SCENES))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{told}"
    viewBox="0 0 {width} {height}">
<style>
text{{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dde2;white-space:pre}}
.typed{{fill:#7fd1b9}}
@keyframes move{{0%{{transform:none}}{"".join(moves)}100%{{{last}}}}}
#lines{{animation:move {SECONDS:g}s steps(1) infinite}}
{"".join(styles)}
@media(prefers-reduced-motion:reduce){{#lines,text{{animation:none!important}}#lines{{{last}}}}}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#1c2329"/>
<svg y="{MARGIN / 2:g}" width="{width}" height="{height - MARGIN}"><g id="lines">
{chr(10).join(texts)}
</g></svg>
</svg>
"""


if __name__ == "__main__":
    main()
