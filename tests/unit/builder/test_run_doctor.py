"""What doctor tells of RUN."""

import os

import pytest

from ocitool.builder.run_doctor import diagnose_run
from ocitool.model.platform import Platform
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import Workspace, host_platform
from tests.fakes.running import why_nothing_runs

AMD64 = Platform("linux", "amd64")


def diagnosis(tmp_path, *platforms, **environ):
    work = Workspace(MachineStore(tmp_path / "cache"), Opener(Access(), Scope()), Scope(), AMD64)
    return diagnose_run(platforms, work, environ)


def test_what_refuses_is_told(tmp_path):
    assert "OCITOOL_NO_RUN is set" == diagnosis(tmp_path, OCITOOL_NO_RUN="1").problem


@pytest.mark.slow
def test_a_platform_without_an_emulator_is_told_with_a_way_out(tmp_path):
    if why := why_nothing_runs(tmp_path):
        pytest.skip(why)

    here, other = diagnosis(tmp_path, AMD64, Platform("linux", "sparc64"), PATH=os.defpath).abilities

    assert (host_platform().same(AMD64), "no") == (here.word == "natively", other.word)
    assert other.problem
    assert other.hint
