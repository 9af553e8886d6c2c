"""What commands cost here and in another checkout: `python -m tests.bench.cost OTHER/.venv/bin/python [COMMAND…]`.

CPU seconds of the whole process with its children (the least of five, the two in turns), modules loaded, and
requests and bytes sent to a registry in memory. Each has a home and places of its own, prepared by itself; `{n}` in
a command is another number in every round. A row that costs more than LIMIT times the other's ends with `<`.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ocitool.store.layout import LayoutStore
from tests import peers
from tests.conftest import homes
from tests.fakes.images import put_image, tar
from tests.fakes.programs import Elf
from tests.fakes.registry import FakeRegistry, fake_registry

ROUNDS = 5
LIMIT = 1.15
HELLO = Path(__file__).parents[2] / "testdata" / "src-go" / "hello"
MACHINES = {"amd64": 62, "arm64": 183}
_READY = "--toolchain prebuilt --copy out/{{arch}}/app:/bin/ --platform linux/amd64,linux/arm64 --no-git-labels"
PREPARED = (
    "index create {host}/app:v1 oci:{root}/lay:amd64 oci:{root}/lay:arm64",
    "index create oci:{root}/lay:v1 oci:{root}/lay:amd64 oci:{root}/lay:arm64",
    f"build {{root}}/ready {_READY} -t {{host}}/ready:1 --push",
    f"build {{root}}/ready {_READY} -t {{host}}/kept:1",
)
COMMANDS = {
    "version": "--version",
    "help": "--help",
    "inspect": "inspect {host}/app:v1",
    "inspect, layout": "inspect oci:{root}/lay:v1",
    "digest": "digest {host}/app:v1",
    "tags": "tags {host}/app",
    "diff": "diff oci:{root}/lay:amd64 oci:{root}/lay:arm64",
    "index create": "index create {host}/app:made{n} {host}/app:v1",
    "index create, layout": "index create oci:{root}/lay:made{n} oci:{root}/lay:amd64 oci:{root}/lay:arm64",
    "index annotate": "index annotate {host}/app:v1 --annotation number={n}",
    "tag": "tag {host}/app:v1 new{n}",
    "tag, overwritten": "tag {host}/app:made{n} over",
    "tag, layout": "tag oci:{root}/lay:v1 new{n}",
    "copy": "copy {host}/app:v1 {host}/copy{n}:v1",
    "copy, layout": "copy {host}/app:v1 oci:{root}/copy{n}:v1",
    "push": "push {host}/kept:1",
    "files": "files oci:{root}/lay:amd64",
    "cat": "cat oci:{root}/lay:amd64 a/0",
    "export": "export oci:{root}/lay:amd64 -o {root}/export{n}",
    "check": "check {host}/app:v1",
    "check, deep": "check --deep oci:{root}/lay:v1",
    "repair": "repair {host}/app:v1",
    "doctor": "doctor",
    "build, ready": f"build {{root}}/ready {_READY} -o oci:{{root}}/ready{{n}}:1 --no-cache",
    "build, unchanged": f"build {{root}}/ready {_READY} -t {{host}}/ready:1 --push",
    "build, COPY": "build {root}/copy -o oci:{root}/copied{n}:1 --platform linux/amd64,linux/arm64 --no-cache",
    "build, FROM": "build {root}/from -o oci:{root}/from{n}:1 --build-context base=oci-layout://{root}/lay:v1",
    "build, Go": "build {root}/hello -o oci:{root}/go{n}:1 --no-cache",
    "build, checked": "build {root}/copy --check",
    "build, dry": "build {root}/hello --dry-run",
}


@dataclass
class Checkout:
    """One interpreter with an ocitool, its places, and what its commands cost."""

    python: str
    root: Path
    registry: FakeRegistry
    seconds: dict[str, float] = field(default_factory=dict)
    modules: dict[str, set[str]] = field(default_factory=dict)
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def call(self, words: str, number: int, *flags: str) -> tuple[float, str]:
        """CPU seconds of a command line and its standard error; ends the program where the command failed."""
        filled = words.format(host=self.registry.host, root=self.root, n=number)
        own = homes(self.root / "home") | peers.go_environment()
        # The compiled modules are what both have after their first call.
        env = {name: word for name, word in os.environ.items() if not name.startswith("PYTHON")} | own
        with (self.root / "stderr").open("w+b") as said:
            process = subprocess.Popen(
                [self.python, *flags, "-m", "ocitool", *filled.split()],
                env=env,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
        if process.returncode not in (0, 1):  # 1 is for findings
            raise SystemExit(f"{self.python} {filled}: {process.returncode}: {text[-800:]}")
        return used.ru_utime + used.ru_stime, text

    def measure(self, name: str, number: int) -> None:
        """One round of a command."""
        self.registry.log.clear()
        seconds, _ = self.call(COMMANDS[name], number)
        self.seconds[name] = min(seconds, self.seconds.get(name, seconds))
        self.sent[name] = len(self.registry.log), sum(one.size for one in self.registry.log)

    def count(self, name: str) -> None:
        """The modules that a command loads, those of its helpers left out."""
        _, text = self.call(COMMANDS[name], ROUNDS + 1, "-X", "importtime")
        self.modules[name] = set(re.findall(r"^import time:.*\| +([\w.]+)$", text, re.MULTILINE))


def main(other: str, *wanted: str) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder:
        with fake_registry() as first, fake_registry() as second:
            pair = (
                Checkout(other, Path(folder) / "other", first),
                Checkout(sys.executable, Path(folder) / "own", second),
            )
            for checkout in pair:
                prepare(checkout)
            for name in wanted or COMMANDS:
                for number in range(ROUNDS):
                    for checkout in pair:
                        checkout.measure(name, number)
                for checkout in pair:
                    checkout.count(name)
                print(row(name, *pair), flush=True)


def prepare(checkout: Checkout) -> None:
    """Write its sources, and build and publish with its own commands what the others look at."""
    root = checkout.root
    (root / "home").mkdir(parents=True)
    store = LayoutStore(root / "lay", create=True)
    for machine, number in MACHINES.items():
        program = Elf(number).build() + bytes(1 << 20)
        layers = [tar(**{f"{name}/{at}": b"x" * 4096 for at in range(200)}) for name in "abc"]
        put_image(store, machine, f"linux/{machine}", layers=[*layers, tar(**{"bin/app": program})], compress=True)
        for place in (root / "ready/out" / machine, root / "copy" / machine):
            place.mkdir(parents=True)
            (place / "app").write_bytes(program)
            (place / "app").chmod(0o755)
    (root / "copy/Dockerfile").write_text(
        'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH/app /bin/app\nCMD ["/bin/app"]\n'
    )
    (root / "from").mkdir()
    (root / "from/Dockerfile").write_text("FROM base AS one\nENV A=1\nFROM one\nCOPY Dockerfile /etc/\nUSER 1000\n")
    (root / "hello").symlink_to(HELLO)
    for words in PREPARED:
        checkout.call(words, 0)


def row(name: str, other: Checkout, own: Checkout) -> str:
    """The line of a command: of each number the other's and ours."""
    ratio = own.seconds[name] / other.seconds[name]
    requests, sent = ([one.sent[name][at] for one in (other, own)] for at in (0, 1))
    more = sorted(own.modules[name] - other.modules[name])
    fewer = other.modules[name] - own.modules[name]
    text = f"{name:<21} {other.seconds[name]:6.3f} {own.seconds[name]:6.3f} s {ratio:5.2f}{'<' if ratio > LIMIT else ' '}"
    text += f" {len(other.modules[name]):4} {len(own.modules[name]):4} modules"
    text += f" {requests[0]:3} {requests[1]:3} requests {sent[0]:7} {sent[1]:7} bytes"
    return text + (f"\n    +{len(more)} -{len(fewer)}: {' '.join(more)}" if "MODULES" in os.environ else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
