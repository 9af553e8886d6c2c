"""The filter of system calls, as the kernel would answer by it."""

import pytest

from ocitool.executor.seccomp import profile

HOLDS = {
    "SCMP_CMP_EQ": lambda given, value, _: given == value,
    "SCMP_CMP_LT": lambda given, value, _: given < value,
    "SCMP_CMP_GT": lambda given, value, _: given > value,
    "SCMP_CMP_MASKED_EQ": lambda given, mask, value: given & mask == value,
}
EPERM, ENOSYS = 1, 38
NAMESPACES = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
"""CLONE_NEWNS, and of CGROUP, UTS, IPC, USER, PID and NET."""


def answer(name: str, *arguments: int, machine: str = "x86_64", is_single: bool = False) -> int | None:
    """The error of a call, None where it is carried out."""
    made = profile(machine, is_single=is_single)
    for rule in made["syscalls"]:
        tests = rule.get("args", ())
        if name in rule["names"] and all(
            HOLDS[one["op"]](arguments[one["index"]], one["value"], one["valueTwo"]) for one in tests
        ):
            return None if rule["action"] == "SCMP_ACT_ALLOW" else rule["errnoRet"]
    assert "SCMP_ACT_ERRNO" == made["defaultAction"]
    return made["defaultErrnoRet"]


@pytest.mark.parametrize(
    ("family", "expected"),
    [(1, None), (2, None), (10, None), (16, None), (37, None), (38, EPERM), (39, None), (40, EPERM), (41, None)],
)
def test_sockets_of_the_kernels_ciphers_and_of_virtual_machines_are_refused(family, expected):
    assert expected == answer("socket", family)


@pytest.mark.parametrize(
    ("persona", "expected"),
    [
        *((value, None) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)),
        *((value, EPERM) for value in (1, 9, 0x20001, 0x20009, 0x40000, 0x0400000)),
    ],
)
def test_other_personalities_than_those_of_linux_are_refused(persona, expected):
    assert expected == answer("personality", persona)


@pytest.mark.parametrize(("machine", "before"), [("x86_64", ()), ("aarch64", ()), ("s390x", (0,))])
@pytest.mark.parametrize(
    ("flags", "expected"), [(17, None), (0x11200, None), *((flag, EPERM) for flag in NAMESPACES)]
)
def test_no_process_is_begun_in_a_new_namespace(machine, before, flags, expected):
    assert expected == answer("clone", *before, flags, machine=machine)


def test_a_call_whose_flags_cannot_be_seen_does_not_exist():
    assert ENOSYS == answer("clone3", 0)


@pytest.mark.parametrize(
    "name",
    ["mount", "unshare", "setns", "bpf", "keyctl", "init_module", "reboot", "settimeofday", "perf_event_open"],
)
def test_what_takes_rights_is_refused(name):
    assert EPERM == answer(name, 0, 0, 0)


@pytest.mark.parametrize(("is_single", "expected"), [(False, None), (True, 0)])
def test_where_one_user_stands_for_all_owners_only_seem_to_change(is_single, expected):
    assert [expected, expected, None] == [answer(one, is_single=is_single) for one in ("chown", "setuid32", "read")]


def test_calls_and_architectures_are_those_of_the_machine():
    assert (None, EPERM) == (answer("arch_prctl"), answer("arch_prctl", machine="riscv64"))
    assert ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] == profile("x86_64", is_single=False)[
        "architectures"
    ]
    assert [] == profile("unknown", is_single=False)["architectures"]
