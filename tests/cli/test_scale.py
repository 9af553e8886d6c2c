"""A thousand members: requests grow with their number and no faster, memory stays bounded."""

import subprocess
import sys

SCRIPT = """
import sys
sys.path.insert(0, "")
from pathlib import Path
from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import Selector
from ocitool.index.plans import IndexRequest, plan_create, plan_edit
from ocitool.model.platform import Platform
from ocitool.report.survey import survey
from ocitool.report.text import table
from ocitool.tasks import Scope
from tests.unit.index.conftest import Repository

number, folder = int(sys.argv[1]), Path(sys.argv[2])
repository = Repository()
for n in range(number):
    config = {"os": "windows", "architecture": "amd64", "os.version": f"10.0.{n}.1"}
    repository.image(f"t{n}", config | {"history": [{"created_by": "x" * 200}] * 40})
repository.asked.clear()
request = IndexRequest(tuple(repository.source(f"t{n}") for n in range(number)))
journal, scope = Journal(folder), Scope()
apply(plan_create(repository, ["all"], request, scope=scope), repository, journal, scope)
created = len(repository.asked)
one = Selector((Platform.parse(f"windows(10.0.{number // 2}.1)/amd64"),))
change = lambda index: edit.annotate(index, one, EntryChanges(variant="v3"))
apply(plan_edit(repository, "all", change), repository, journal, scope)
edited = len(repository.asked) - created
table(survey(repository, "all", scope=scope), layers=True)
# Not ru_maxrss: that begins with the memory of the process that started this one.
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(created, edited, int(peak.split()[1]) // 1024)
"""


def measured(number, folder):
    """Requests to create, requests to edit, and peak memory in MiB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(number), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return tuple(map(int, done.stdout.split()))


def test_thousand_members(tmp_path):
    created, edited, peak_mib = measured(1000, tmp_path)

    assert 2 * 1000 + 1 == created
    assert 1 == edited
    assert peak_mib <= 150
