from dataclasses import replace

from ocitool.executor.accounts import Account
from ocitool.executor.bundle import Bundle, Shown, config, environment
from ocitool.executor.seccomp import OWNERS

BUNDLE = Bundle(
    root="/r",
    args=("/bin/sh", "-c", "true"),
    env=("A=1",),
    workdir="/w",
    account=Account(82, 83, (83, 33), "/home/www"),
    is_single=False,
    machine="x86_64",
    hostname="buildkitsandbox",
    network="new",
    shm_size=4096,
)


def namespaces(document):
    return {one["type"]: one.get("path") for one in document["linux"]["namespaces"]}


def names(document, action, errno=None):
    return {
        name
        for rule in document["linux"]["seccomp"]["syscalls"]
        if rule["action"] == action and "args" not in rule and rule.get("errnoRet") == errno
        for name in rule["names"]
    }


def test_a_command_has_namespaces_of_its_own():
    document = config(BUNDLE)

    assert {"pid", "ipc", "uts", "mount", "cgroup", "network"} == set(namespaces(document))
    assert "/proc/sys" in document["linux"]["readonlyPaths"]
    assert "/proc/kcore" in document["linux"]["maskedPaths"]
    assert document["root"] == {"path": "/r", "readonly": False}


def test_capabilities_are_those_of_buildkit():
    capabilities = config(BUNDLE)["process"]["capabilities"]

    assert {"bounding", "permitted", "effective"} == set(capabilities)
    assert len(capabilities["bounding"]) == 14
    assert not {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_MODULE"} & set(
        capabilities["bounding"]
    )


def test_calls_that_make_namespaces_and_mounts_are_refused():
    document = config(BUNDLE)
    allowed = names(document, "SCMP_ACT_ALLOW")

    assert document["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert (
        not {"unshare", "setns", "mount", "umount2", "bpf", "keyctl", "io_uring_setup", "userfaultfd", "clone"}
        & allowed
    )
    assert {"openat", "execve", "chown", "arch_prctl"} <= allowed
    assert {"clone3"} == names(document, "SCMP_ACT_ERRNO", 38)


def test_the_user_is_the_account_with_its_groups():
    assert {"uid": 82, "gid": 83, "additionalGids": [83, 33]} == config(BUNDLE)["process"]["user"]


def test_where_one_user_stands_for_all_owners_only_seem_to_change():
    document = config(replace(BUNDLE, is_single=True))

    assert {"uid": 0, "gid": 0} == document["process"]["user"]
    assert set(OWNERS) == names(document, "SCMP_ACT_ERRNO", 0)
    assert not OWNERS & names(document, "SCMP_ACT_ALLOW")


def test_the_network_is_the_hosts_a_new_one_or_that_at_a_path():
    assert "network" not in namespaces(config(replace(BUNDLE, network="")))
    assert namespaces(config(BUNDLE))["network"] is None
    assert namespaces(config(replace(BUNDLE, network="/n")))["network"] == "/n"


def test_in_the_hosts_network_its_control_groups_are_hidden():
    assert "/sys/fs/cgroup" in config(replace(BUNDLE, network=""))["linux"]["maskedPaths"]


def test_what_is_shown_is_bound_in_its_order_after_the_system():
    document = config(replace(BUNDLE, shown=(Shown("/a", "/x", read_only=True), Shown("/b", "/x/y"))))

    assert ["/x", "/x/y"] == [one["destination"] for one in document["mounts"][-2:]]
    assert "ro" in document["mounts"][-2]["options"]
    assert "ro" not in document["mounts"][-1]["options"]


def test_limits_without_an_end_are_the_largest_number():
    document = config(replace(BUNDLE, rlimits=(("nofile", 1024, -1),)))

    assert [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2**64 - 1}] == document["process"]["rlimits"]


def test_path_and_home_are_there_unless_they_are_set():
    account = Account(home="/home/www")

    assert "HOME=/home/www" in environment(["A=1"], account)
    assert ["HOME=/h", "PATH=/p", "A=2"] == environment(["A=1", "HOME=/h", "PATH=/p", "A=2"], account)
