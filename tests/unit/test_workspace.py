"""The host's platform from uname and /proc/cpuinfo."""

import pytest

from ocitool.workspace import host_platform, platform_of


@pytest.mark.parametrize(
    ("platform", "system", "machine", "cpuinfo"),
    [
        ("linux/amd64", "Linux", "x86_64", ""),
        ("linux/386", "Linux", "i686", ""),
        ("linux/arm64", "Linux", "aarch64", "CPU architecture: 8\n"),
        ("linux/arm64", "Darwin", "arm64", ""),
        ("linux/arm/v7", "Linux", "armv7l", "processor : 0\nCPU architecture: 7\n"),
        (
            "linux/arm/v6",
            "Linux",
            "armv6l",
            "model name\t: ARMv6-compatible processor rev 7\nCPU architecture: 7\n",
        ),
        ("linux/arm/v5", "Linux", "armv5tejl", "CPU architecture: 5TEJ\n"),
        ("linux/arm/v8", "Linux", "armv8l", "CPU architecture: 8\n"),
        ("linux/arm/v6", "Linux", "armv6l", ""),
        ("linux/ppc64le", "Linux", "ppc64le", ""),
        ("linux/riscv64", "Linux", "riscv64", ""),
        ("linux/s390x", "Linux", "s390x", ""),
        ("linux/loong64", "Linux", "loongarch64", ""),
        ("freebsd/amd64", "FreeBSD", "amd64", ""),
        ("linux/vax", "Linux", "vax", ""),
    ],
)
def test_platform_of_a_machine(platform, system, machine, cpuinfo):
    assert platform == str(platform_of(system, machine, cpuinfo))


def test_this_host_is_linux():
    assert "linux" == host_platform().os
