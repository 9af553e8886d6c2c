"""Whatever a name holds, check gives findings that can be written in every format, or an error of ours."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.check.engine import DOCUMENTED, exit_code, findings
from ocitool.check.formats import as_github, as_sarif, as_text
from ocitool.check.runner import Checked
from ocitool.errors import OcitoolError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.repair.plan import plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.report.compare import compare
from ocitool.report.pages import check_page, comparison_page, survey_page
from ocitool.report.survey import survey
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.unit.check.golden import seen
from tests.unit.check.pairs import PAIRS, store

pytestmark = pytest.mark.property

KEYS = st.sampled_from(
    ["mediaType", "platform", "manifests", "layers", "config", "annotations", "subject", "urls", "variant", "history",
     "created", "User", "Env", "Labels", "rootfs", "diff_ids", "os", "architecture"]
)  # fmt: skip
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["\ud800", "a\n::error::\x1b", str(Digest.of(b"")), mediatype.OCI_INDEX, "linux", "windows"]),
    st.sampled_from([[], {}, [None], {"a": 1}]),
)
CHANGES = st.lists(st.tuples(st.integers(0, 200), st.one_of(st.none(), KEYS), ODD), min_size=1, max_size=3)


def containers(tree: Any) -> list[Any]:
    """Every object and list, the whole first."""
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(one for value in inner for one in containers(value))] if isinstance(tree, (dict, list)) else []


def changed(raw: bytes, changes: list[Any]) -> bytes:
    """The JSON with a value replaced, added or taken away, once for each change."""
    tree = json.loads(raw)
    for place, key, odd in changes:
        value = deepcopy(odd)
        found = containers(tree)
        holder = found[place % len(found)]
        if isinstance(holder, list):
            holder.insert(place % (len(holder) + 1), value)
        elif key is None and holder:
            del holder[sorted(holder)[place % len(holder)]]
        else:
            holder[
                key if key is not None and place % 2 else sorted(holder or ["a"])[place % (len(holder) or 1)]
            ] = value
    return json.dumps(tree).encode()


def put_in_place(held: Any, old: Digest, new: Digest, size: int) -> None:
    """Let whoever named the old content name the new one, up to the root, so that it is read."""
    for digest, document in list(held._manifests.items()):
        if digest == document.digest and str(old).encode() in document.raw:
            tree = json.loads(document.raw)
            for one in containers(tree):
                if isinstance(one, dict) and one.get("digest") == str(old):
                    one.update(digest=str(new), size=size)
            above = Document(json.dumps(tree).encode(), document.media_type)
            held.plant(above)
            held._tags |= {tag: above.digest for tag, at in held._tags.items() if at == digest}
            put_in_place(held, digest, above.digest, above.size)


@settings(max_examples=amount(50, 10_000))
@given(
    st.sampled_from([rule for rule in PAIRS if rule != "index/too-large"]),
    st.booleans(),
    st.integers(0, 20),
    CHANGES,
)
def test_any_json_gives_findings_or_an_error(rule, ill, which, changes):
    held = store(rule, ill=ill)
    before = None
    with suppress(OcitoolError):  # one of the rules is about a root that cannot be read
        before = survey(held, "1", scope=Scope())
    configs = [digest for digest, data in held._blobs.items() if data.startswith(b"{")]
    chosen = [*held._manifests, *configs][which % (len(held._manifests) + len(configs))]
    if chosen in held._manifests:
        new = Document(changed(held._manifests[chosen].raw, changes), held._manifests[chosen].media_type)
        held.plant(new, *(tag for tag, at in held._tags.items() if at == chosen))
        put_in_place(held, chosen, new.digest, new.size)
    else:
        raw = changed(held._blobs[chosen], changes)
        held._blobs[Digest.of(raw)] = raw
        put_in_place(held, chosen, Digest.of(raw), len(raw))

    try:
        look = seen(held)
        found = findings(look)
        plan_repair(look, "1", RepairOptions(drop_missing=True, without_proof=True))
        after = survey(held, "1", scope=Scope())
    except OcitoolError:
        return

    assert exit_code(found, look.unanswered) in {0, 1, 5}
    assert json.dumps([one.to_tree() for one in found], ensure_ascii=False).encode()
    checked = Checked(found, look.unanswered, ("memory",))
    assert as_sarif(checked, DOCUMENTED, "1").encode()
    compared = [comparison_page(compare(before, after))] if before is not None else []
    for page in (check_page(checked, DOCUMENTED), survey_page(after), *compared):
        assert page.encode().count(b"<script") == 1
        assert all(line.isprintable() for line in page.split("\n"))
    for text in (as_text(checked), as_github(checked)):
        assert all(line.isprintable() for line in text.encode().decode().split("\n"))
