"""The system calls that a command may make: what BuildKit allows by default, as a filter of the OCI runtime.

The list is that of the engines' public default profile for a container with the capabilities of `bundle.py`: what
takes CAP_SYS_ADMIN and its like is left out, and so are AF_ALG and AF_VSOCK sockets and new namespaces.
Spec: runtime-spec config-linux.md, "Seccomp".
"""

from typing import Any, Final

ALLOWED: Final = frozenset(
    """
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
chown32 chroot clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr
listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier
memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect
poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv
process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat
readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat
renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto
set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl
shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat
stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate
truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork
vmsplice wait4 waitid waitpid write writev
    """.split()  # noqa: SIM905 - three hundred names
)
_BY_MACHINE: Final = {
    "x86_64": ("arch_prctl", "modify_ldt"),
    "aarch64": (
        "arm_fadvise64_64",
        "arm_sync_file_range",
        "breakpoint",
        "cacheflush",
        "set_tls",
        "sync_file_range2",
    ),
    "ppc64le": ("swapcontext", "sync_file_range2"),
    "s390x": ("s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"),
    "riscv64": ("riscv_flush_icache",),
}
_ARCHITECTURES: Final = {
    "x86_64": ("X86_64", "X86", "X32"),
    "aarch64": ("AARCH64", "ARM"),
    "s390x": ("S390X", "S390"),
    "mips64": ("MIPSEL64", "MIPSEL", "MIPSEL64N32"),
    "ppc64le": ("PPC64LE",),
    "riscv64": ("RISCV64",),
}
OWNERS: Final = frozenset(
    """
    chown chown32 fchown fchown32 fchownat lchown lchown32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
    setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid
    setuid32
    """.split()  # noqa: SIM905
)
"""Calls that change owners of files or processes: where one user stands for all, they only seem to succeed."""
_NEW_NAMESPACES: Final = 0x7E02_0000
_NO_SUCH_CALL: Final = 38
_ALGORITHMS, _BETWEEN, _VIRTUAL_MACHINES = 38, 39, 40  # AF_ALG, the one family between, AF_VSOCK
_PERSONALITIES: Final = (0, 8, 0x20000, 0x20008, 0xFFFF_FFFF)


def profile(machine: str, *, is_single: bool) -> dict[str, Any]:
    """The filter for a machine (`uname -m`); with `is_single` the calls of `OWNERS` do nothing and succeed."""
    names = ALLOWED | set(_BY_MACHINE.get(machine, ()))
    flags_at = 1 if machine == "s390x" else 0
    rules = [
        {"names": sorted(names - OWNERS if is_single else names), "action": "SCMP_ACT_ALLOW"},
        _if("socket", 0, _ALGORITHMS, "SCMP_CMP_LT"),
        _if("socket", 0, _BETWEEN, "SCMP_CMP_EQ"),
        _if("socket", 0, _VIRTUAL_MACHINES, "SCMP_CMP_GT"),
        *(_if("personality", 0, value, "SCMP_CMP_EQ") for value in _PERSONALITIES),
        _if("clone", flags_at, _NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ"),
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _NO_SUCH_CALL},
    ]
    if is_single:
        rules.append({"names": sorted(OWNERS), "action": "SCMP_ACT_ERRNO", "errnoRet": 0})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": [f"SCMP_ARCH_{name}" for name in _ARCHITECTURES.get(machine, ())],
        "syscalls": rules,
    }


def _if(name: str, index: int, value: int, operation: str) -> dict[str, Any]:
    arguments = [{"index": index, "value": value, "valueTwo": 0, "op": operation}]
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": arguments}
