"""What an attacker tries inside RUN: each script says ESCAPED where it got what it must not get.

`@PLANTED@` is a file with a secret in the builder's home, `@HOME@` that home, `@PID@` a process of the same user
outside, `@PORT@` where a server listens on this machine's loopback, `@ABSTRACT@` the name of an abstract socket.
"""

from dataclasses import dataclass

_PERL = "FROM debian\nRUN <<'EOF'\n#!/usr/bin/perl\nuse strict; use POSIX; $| = 1;\n"
_CALL = (
    'sub tried { my ($what, $number, @words) = @_; print "ESCAPED $what\\n" if syscall($number, @words) != -1; }\n'
)


@dataclass(frozen=True, slots=True)
class Attack:
    """A Dockerfile, the words of the build, and the exit code of one that is contained."""

    text: str
    words: tuple[str, ...] = ()
    code: int = 0


def _sh(script: str, *words: str, code: int = 0, flags: str = "") -> Attack:
    return Attack(f"FROM alpine\nRUN {flags}<<'EOF'\n{script}\nEOF\n", words, code)


def _perl(script: str, *words: str, code: int = 0) -> Attack:
    return Attack(f"{_PERL}{_CALL}{script}\nEOF\n", words, code)


ATTACKS: dict[str, Attack] = {
    "files of the host": _sh(
        "for path in @PLANTED@ @HOME@ /proc/1/root@PLANTED@ /proc/self/root@PLANTED@ ../../../../..@PLANTED@ /proc/1/cwd@PLANTED@; do\n"
        "  if [ -e $path ]; then echo ESCAPED $path; fi\ndone\n"
        "for one in /proc/[0-9]*; do if [ -e $one/root@PLANTED@ ]; then echo ESCAPED $one; fi; done\n"
        "find / -xdev -name 'planted-*' | sed 's/^/ESCAPED /'"
    ),
    "writing to the host": _sh(
        "mkdir -p @HOME@/x /work; echo x >@PLANTED@ || true; rm -rf @HOME@ /tmp/* /var/tmp/* /root"
    ),
    "descriptors of the host": _sh(
        "for fd in /proc/self/fd/*; do case ${fd##*/} in [012]) ;; *) readlink $fd | grep -E '^/.*(@HOME@|ocitool)' | sed 's/^/ESCAPED /';; esac; done\n"
        "for one in /proc/[0-9]*/fd/*; do if [ -d $one ] && ls $one/ 2>/dev/null | grep -q home; then ls $one/../..@HOME@ 2>/dev/null && echo ESCAPED $one; fi; done; true"
    ),
    "other processes": _sh(
        "ps -o args | grep -E 'ocitool|runc|crun|qemu|planted' | grep -v grep | sed 's/^/ESCAPED /'\n"
        "kill -9 @PID@ 2>/dev/null && echo ESCAPED kill\n(trap '' TERM; kill -9 -1)\ntrue"
    ),
    "/proc and /sys": _sh(
        "for name in kernel/hostname kernel/core_pattern kernel/modprobe vm/drop_caches net/ipv4/ip_forward user/max_user_namespaces; do\n"
        "  (echo 1 >/proc/sys/$name) 2>/dev/null && echo ESCAPED $name\ndone\n"
        "(echo h >/proc/sysrq-trigger) 2>/dev/null && echo ESCAPED sysrq\n"
        "(echo x >/sys/kernel/uevent_helper) 2>/dev/null && echo ESCAPED sys\n"
        "if [ -s /proc/kcore ] && head -c1 /proc/kcore 2>/dev/null | grep -q .; then echo ESCAPED kcore; fi\n"
        "(echo :x:M::x::/x: >/proc/sys/fs/binfmt_misc/register) 2>/dev/null && echo ESCAPED binfmt\n"
        "for name in keys timer_list acpi/x; do if [ -s /proc/$name ]; then echo ESCAPED $name; fi; done\ntrue"
    ),
    "mounts": _sh(
        "mkdir -p /m; mount -t tmpfs none /m 2>/dev/null && echo ESCAPED tmpfs\n"
        "mount -o remount,rw /proc/sys 2>/dev/null && echo ESCAPED remount\n"
        "umount /proc/sys 2>/dev/null && echo ESCAPED umount\numount /proc/kcore 2>/dev/null && echo ESCAPED unmask\n"
        "mount -t proc proc /m 2>/dev/null && echo ESCAPED proc\nmount --bind / /m 2>/dev/null && echo ESCAPED bind\n"
        "chroot / pivot_root /m /m 2>/dev/null && echo ESCAPED pivot\ntrue"
    ),
    "devices": _sh(
        "mknod /d b 259 0 2>/dev/null && head -c1 /d 2>/dev/null && echo ESCAPED block\n"
        "mknod /e b 254 0 2>/dev/null && head -c1 /e 2>/dev/null && echo ESCAPED block\nmknod /m c 1 1 2>/dev/null && head -c1 /m 2>/dev/null && echo ESCAPED mem\n"
        "rm -f /d /e /m; for name in mem kmem port kmsg vda sda fuse kvm; do if [ -e /dev/$name ]; then echo ESCAPED $name; fi; done; true"
    ),
    "namespaces of its own": _perl(
        "tried('unshare user', 272, 0x10000000); tried('unshare mount', 272, 0x20000); tried('unshare net', 272, 0x40000000);\n"
        'my $new = syscall(56, 0x10000000 | 17, 0, 0, 0, 0); if ($new == 0) { POSIX::_exit(0) } print "ESCAPED clone\\n" if $new > 0;\n'
        "tried('clone3', 435, pack('Q8', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64);"
    ),
    "namespaces of others": _perl(
        "for my $kind (qw(user mnt pid net ipc uts cgroup)) { for my $pid (1, 2, getppid()) {\n"
        '  open(my $file, \'<\', "/proc/$pid/ns/$kind") or next; tried("setns $kind of $pid", 308, fileno($file), 0); } }'
    ),
    "kernel calls": _perl(
        'my $empty = "\\0" x 128;\n'
        "tried('bpf', 321, 5, $empty, 128); tried('perf_event_open', 298, $empty, 0, -1, -1, 0); tried('kexec_load', 246, 0, 0, $empty, 0);\n"
        'tried(\'add_key\', 248, "user\\0", "k\\0", "v", 1, -3); tried(\'keyctl\', 250, 0, -3, 1); tried(\'init_module\', 175, $empty, 1, "\\0");\n'
        "tried('reboot', 169, 0xfee1dead, 672274793, 0x01234567, 0); tried('settimeofday', 164, $empty, 0); tried('swapon', 167, \"/x\\0\", 0);\n"
        "tried('open_by_handle_at', 304, -100, $empty, 0); tried('userfaultfd', 323, 0); tried('io_uring_setup', 425, 1, $empty);\n"
        'tried(\'quotactl\', 179, 0x80000700, 0, 0, $empty); tried(\'mount\', 165, "none\\0", "/mnt\\0", "tmpfs\\0", 0, 0);\n'
        'tried(\'fsopen\', 430, "tmpfs\\0", 0); tried(\'open_tree\', 428, -100, "/\\0", 1); tried(\'move_mount\', 429, -100, "/\\0", -100, "/mnt\\0", 0);'
    ),
    "ptrace of others": _perl(
        "tried('attach', 101, 16, @PID@, 0, 0); tried('seize', 101, 0x4206, @PID@, 0, 0);\n"
        "tried('pidfd_open', 434, @PID@, 0);"
    ),
    "raw sockets of the host": _perl(
        'use Socket; print "ESCAPED raw\\n" if socket(my $raw, AF_INET, SOCK_RAW, 1);\nprint "ESCAPED packet\\n" if socket(my $packet, 17, SOCK_RAW, 0x0300);\n'
        "system('hostname changed 2>/dev/null'); print \"ESCAPED interface\\n\" if -w '/sys/class/net/lo/mtu' && open(my $m, '>', '/sys/class/net/lo/mtu');",
        "--run-network",
        "host",
    ),
    "root of the host's files": _perl(
        "mkdir '/c'; open(my $old, '<', '/'); chroot('/c') or exit 0; \n"
        "chdir('..') for 1..64; chroot('.'); print \"ESCAPED chroot\\n\" if -e '@PLANTED@';"
    ),
    "capabilities that are not given": _sh(
        "for bit in 12 16 17 19 21 22 24 25; do\n  mask=$(grep CapBnd /proc/self/status | cut -f2)\n  [ $(( (0x$mask >> bit) & 1 )) = 0 ] || echo ESCAPED capability $bit\ndone"
    ),
    "a loopback server": _perl(
        "use IO::Socket::INET; my %ends = map { $_ => 1 } qw(127.0.0.1 10.0.2.2 10.0.2.3 169.254.1.1 192.168.127.1 192.168.127.254);\n"
        "if (open(my $routes, '<', '/proc/net/route')) { while (<$routes>) { my @f = split; next unless $f[2] =~ /^[0-9A-F]{8}$/ && hex $f[2]; $ends{join '.', reverse unpack 'C4', pack 'H*', $f[2]} = 1 } }\n"
        'for my $end (sort keys %ends) { my $got = IO::Socket::INET->new(PeerAddr => $end, PeerPort => @PORT@, Timeout => 1) or next; print $got "hello\\n" }'
    ),
    "an abstract socket": _perl(
        "use Socket; socket(my $end, AF_UNIX, SOCK_STREAM, 0) or die; my $name = pack('S', AF_UNIX) . \"\\0@ABSTRACT@\";\n"
        'print $end "hello\\n" if connect($end, $name);'
    ),
    "a fork bomb": _perl(
        "my $made = 0; while ($made < 400) { my $child = fork; last unless defined $child; if (!$child) { sleep 300; POSIX::_exit(0) } $made++ }\n"
        'print "made $made\\n"; print "ESCAPED pids\\n" if $made > 80;',
        "--run-pids",
        "60",
    ),
    "a disk filler": _sh(
        "dd if=/dev/zero of=/big bs=1M count=3000 2>/dev/null; sleep 20; echo ESCAPED disk",
        "--run-disk",
        "20m",
        code=7,
    ),
    "a hole of a file": _sh("truncate -s 40G /big 2>/dev/null && echo ESCAPED hole; true", "--run-disk", "20m"),
    "a memory hog": _perl(
        "my @kept; for (1..60) { push @kept, 'x' x (25 << 20); select undef, undef, undef, 0.02 } sleep 5; print \"ESCAPED memory\\n\";",
        "--run-memory",
        "100m",
        code=7,
    ),
    "a disk filler without a name": _perl(
        "for my $n (1..150) { open(my $file, '>', \"/f$n\") or last; unlink \"/f$n\"; push our @kept, $file; for (1..15) { syswrite($file, 'x' x (1 << 20)) or last } }\n"
        'sleep 10; print "ESCAPED disk\\n";',
        "--run-disk",
        "20m",
        code=7,
    ),
    "a disk filler far below": _perl(
        "for (1..60) { my $name = 'd' x 200; mkdir $name; chdir $name or die }\n"
        "for my $n (1..150) { open(my $file, '>', \"f$n\") or last; for (1..15) { syswrite($file, 'x' x (1 << 20)) or last } }\n"
        'sleep 10; print "ESCAPED disk\\n";',
        "--run-disk",
        "20m",
        code=7,
    ),
    "a disk filler whose files wait in a socket": _perl(
        "use Socket; socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, 0) or die; sub at { unpack('Q', pack('P', $_[0])) }\n"
        "for my $n (1..150) { open(my $file, '>', \"/f$n\") or last; unlink \"/f$n\"; for (1..15) { syswrite($file, 'x' x (1 << 20)) or last }\n"
        "  my $byte = 'x'; my $vector = pack('QQ', at($byte), 1); my $rights = pack('Qlllx4', 20, 1, 1, fileno $file);\n"
        "  my $message = pack('QLx4QQQQLx4', 0, 0, at($vector), 1, at($rights), 24, 0); syscall(46, fileno $one, $message, 0) == 1 or last; close $file }\n"
        'sleep 10; print "ESCAPED disk\\n";',
        "--run-disk",
        "20m",
        code=7,
    ),
    "a disk filler whose files are mapped alone": _perl(
        "for my $n (1..150) { open(my $file, '+>', \"/f$n\") or last; unlink \"/f$n\"; for (1..15) { syswrite($file, 'x' x (1 << 20)) or last }\n"
        "  syscall(9, 0, 4096, 1, 1, fileno $file, 0) > 0 or last; close $file }\n"
        'sleep 10; print "ESCAPED disk\\n";',
        "--run-disk",
        "20m",
        code=7,
    ),
    "a disk filler in a cache": _sh(
        "for n in $(seq 100); do dd if=/dev/zero of=/k/$n bs=1M count=15 2>/dev/null; done; sleep 20; echo ESCAPED disk",
        "--run-disk",
        "20m",
        code=7,
        flags="--mount=type=cache,target=/k ",
    ),
    "many small files": _sh(
        "mkdir /m; for n in $(seq 60000); do : >/m/$n; done; sleep 20; echo ESCAPED inodes",
        "--run-disk",
        "20m",
        code=7,
    ),
    "memory of a tmpfs": _sh(
        "dd if=/dev/zero of=/t/f bs=1M count=1500 2>/dev/null && sleep 5 && echo ESCAPED memory; exit 3",
        "--run-memory",
        "100m",
        code=7,
        flags="--mount=type=tmpfs,target=/t ",
    ),
    "memory without a process": _perl(
        "my $name = \"m\\0\"; my $file = syscall(319, $name, 0); open(my $out, '>&=', $file) or die; for (1..1500) { syswrite($out, 'x' x (1 << 20)) or exit 3 }\n"
        'sleep 5; print "ESCAPED memory\\n";',
        "--run-memory",
        "100m",
        code=7,
    ),
    "memory that is shared": _perl(
        "my $at = syscall(9, 0, 1500 << 20, 3, 0x21, -1, 0); $at > 0 or exit 3; pipe(my $out, my $in) or die;\n"
        "for my $n (0..1499) { syswrite($in, 'x' x 4096); for (0..255) { syscall(0, fileno $out, $at + ($n << 20) + ($_ << 12), 1) if $_ % 1 == 0; syswrite($in, 'x') } sysread($out, my $rest, 65536) }\n"
        'sleep 5; print "ESCAPED memory\\n";',
        "--run-memory",
        "100m",
        code=7,
    ),
    "memory in segments": _perl(
        "use IPC::SysV qw(IPC_PRIVATE IPC_CREAT); for my $n (1..60) { my $id = shmget(IPC_PRIVATE, 25 << 20, IPC_CREAT | 0600); defined $id or exit 4;\n"
        "  shmwrite($id, 'x' x (25 << 20), 0, 25 << 20) or exit 4; select undef, undef, undef, 0.02 }\n"
        'sleep 5; print "ESCAPED memory\\n";',
        "--run-memory",
        "100m",
        code=7,
    ),
    "memory files that wait in a socket": _perl(
        "use Socket; socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, 0) or die; sub at { unpack('Q', pack('P', $_[0])) }\n"
        "my $name = \"m\\0\"; for my $n (1..60) { my $number = syscall(319, $name, 0); open(my $file, '>&=', $number) or die; for (1..25) { syswrite($file, 'x' x (1 << 20)) or exit 3 }\n"
        "  my $byte = 'x'; my $vector = pack('QQ', at($byte), 1); my $rights = pack('Qlllx4', 20, 1, 1, $number);\n"
        "  my $message = pack('QLx4QQQQLx4', 0, 0, at($vector), 1, at($rights), 24, 0); syscall(46, fileno $one, $message, 0) == 1 or last; close $file }\n"
        'sleep 5; print "ESCAPED memory\\n";',
        "--run-memory",
        "100m",
        code=7,
    ),
    "processes left behind": _sh(
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 31.4159265') >/dev/null 2>&1 </dev/null &\nnohup sleep 31.4159265 >/dev/null 2>&1 &\nsleep 0.1"
    ),
    "an output without end": _sh(
        "yes | tr -d '\\n' | head -c 30000000; printf 'a\\033]0;title\\007\\033[2Jb\\n'; exit 4", code=7
    ),
    "names of deletions": _sh("touch /.wh.etc /opt/.wh..wh..opq", code=0),
    "folders beyond any path": _perl(
        "for (1..3000) { mkdir 'deep-folder' or die; chdir 'deep-folder' or die }", code=0
    ),
    "attributes of overlay": Attack(
        "FROM debian\nRUN mkdir /o && touch /o/f\nRUN mkdir -p /o && for a in opaque whiteout redirect metacopy; do setfattr -n user.overlay.$a -v y /o || true; setfattr -n trusted.overlay.$a -v y /o || true; done 2>/dev/null\n"
        "RUN [ -e /o/f ] || echo ESCAPED opaque\n"
    ),
    "another stage's secret": Attack(
        "FROM alpine AS a\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c >/n; sleep 1\n"
        "FROM alpine AS b\nRUN sleep 0.3; for f in /run/secrets/key /proc/*/environ /proc/*/root/run/secrets/key; do grep -qs planted-secret $f && echo ESCAPED $f; done; true\n"
        "FROM alpine\nCOPY --from=a /n /a\nCOPY --from=b /etc/passwd /b\nRUN if [ -e /run/secrets/key ]; then echo ESCAPED; fi\n",
        ("--secret", "id=key,src=key.txt"),
    ),
}
