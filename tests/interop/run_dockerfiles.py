"""Dockerfiles with RUN that BuildKit and we build side by side; tests/interop/sidebyside.py has the context.

`box` is a busybox with some folders in /opt/data, `deb` a Debian with dpkg and apt, `repo` a folder of packages.
What a RUN prints into a file is compared as well: what it sees is part of what is promised.
"""

from tests.interop.sidebyside import Case

_BOX = "FROM box\n"
_APT = (
    "RUN --mount=from=repo,target=/repo echo 'deb [trusted=yes] file:/repo ./' >/etc/apt/sources.list.d/x.list "
    "&& apt-get update && apt-get install -y --no-install-recommends jq hello "
    "&& rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig /var/log/*.log /var/log/apt "
    "/var/lib/dpkg/*-old /etc/apt/sources.list.d/x.list\n"
)

CASES: dict[str, Case] = {
    # Forms
    "shell form": Case(_BOX + "RUN echo hi >/hi && mkdir -p /a/b && touch /a/b/c\nRUN cat /hi /hi >/twice\n"),
    "exec form": Case(
        _BOX + 'RUN ["/bin/sh", "-c", "echo \\"$0 $1\\" >/x", "zero", "one $HOME"]\nRUN ["mkdir", "/made"]\n'
    ),
    "continued lines": Case(
        _BOX + "RUN echo a \\\n  # a comment\n\n  b  c \\\n >/x; \\\n  echo 'd  e' >>/x\nRUN   echo\tf >>/x\n"
    ),
    "shell": Case(
        _BOX + 'SHELL ["/bin/sh", "-eu", "-c"]\nRUN echo $- >/x; set -o >/set\nSHELL ["/bin/echo"]\nRUN a  b\n',
        differs="Layers without a file",
    ),
    "heredoc": Case(
        _BOX + 'ENV V=1\nRUN <<EOF\necho $V "two  words" >/x\nfor i in 1 2; do\n  echo $i\ndone >>/x\nEOF\n'
    ),
    "heredoc of a script": Case(
        _BOX + "ARG A=arg\nRUN <<'EOF'\n#!/bin/sh -eu\necho \"$A $#\" >/x\necho ${0##*/} >>/x\nEOF\n"
    ),
    "heredoc of a script behind tabs": Case(
        _BOX + "RUN <<-'EOF'\n\t#!/bin/sh -eu\n\techo ${0##*/} >/name\n\tEOF\n", differs="Scripts behind tabs"
    ),
    "heredocs as files": Case(
        _BOX + "ARG A=arg\nRUN cat <<one - <<'two' >/x && cat <<three >>/x\n1 $A\none\n2 $A\ntwo\n3 \\$A\nthree\n"
    ),
    "heredoc for another program": Case(
        _BOX + "RUN sort -r <<EOF >/sorted\na\nc\nb\nEOF\nRUN <<EOF awk '{print $2}' >/seconds\na b\nc d\nEOF\n"
    ),
    "onbuild": Case(
        "FROM box AS parent\nONBUILD ARG V=of-trigger\nONBUILD RUN echo $V >/onbuild\nONBUILD RUN --mount=target=/c cp /c/a.txt /\n"
        "FROM parent\nRUN cat /onbuild >/again\n"
    ),
    "nothing changes": Case(
        _BOX + "RUN true\nRUN cat /etc/passwd\nCOPY a.txt /\nRUN :\n", differs="Layers without a file"
    ),
    # What a process sees
    "environment": Case(
        "FROM box\nENV A=env B='two words'\nARG C=arg D\nARG A=hidden E=default\nARG HTTP_PROXY\nRUN env | grep -v OTEL | grep -v TRACE | sort >/env\n"
        "ENV E=late\nARG TARGETARCH\nRUN env | grep -v OTEL | grep -v TRACE | sort >/env2\nRUN pwd >/pwd; echo $0 >/zero\n",
        args={"D": "given", "HTTP_PROXY": "http://127.0.0.1:9"},
    ),
    "environment of a user": Case(
        _BOX
        + "USER www\nRUN env | grep -v OTEL | grep -v TRACE | sort >/tmp/env; id >/tmp/id; umask >/tmp/umask\nUSER 7:8\nRUN id >/tmp/id2; env | grep -v OTEL | grep -v TRACE | sort >/tmp/env2\nUSER www:root\nRUN id >/tmp/id3\n"
    ),
    "users": Case(
        _BOX
        + "RUN mkdir -m 1777 /w\nUSER www\nWORKDIR /w/sub\nRUN touch f && mkdir -m 700 d\nUSER 7\nRUN touch /w/g\nUSER 8:9\nRUN ln -s g /w/h\nUSER www:web\nRUN touch /w/i\nUSER root\nRUN touch /w/j\n"
    ),
    "working directories": Case(
        _BOX
        + "WORKDIR /a/b\nRUN pwd >f\nWORKDIR c\nRUN pwd >f && cd .. && touch g\nWORKDIR /opt/current\nRUN pwd >here && pwd -P >really\n",
        differs="Layers without a file",
    ),
    "privileges": Case(
        _BOX + "RUN grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Umask)' /proc/self/status >/status\n"
        "USER www\nRUN grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status >/tmp/status\n"
    ),
    "programs that are root's": Case(
        "FROM deb\nRUN cp /usr/bin/id /usr/bin/id0 && chmod 4755 /usr/bin/id0\nUSER nobody\n"
        "RUN id0 -u >/tmp/effective; id0 -ru >/tmp/real\n"
    ),
    "other users by a program": Case(
        "FROM deb\nRUN cp /usr/bin/perl /usr/bin/as-root && chmod 4755 /usr/bin/as-root && setpriv --reuid=33 --regid=33 --clear-groups id >/as-www\n"
        'USER nobody\nRUN as-root -e \'$ENV{PATH} = "/usr/bin"; $< = $>; $( = $); system "id >/as-root; chmod 600 /as-root"\'\n'
    ),
    "devices and mounts": Case(
        _BOX
        + "RUN ls -1 /dev | grep -v otel >/dev.txt; ls -ld /dev/null /dev/shm /dev/pts /dev/tty | awk '{print $1,$NF}' >/devs; ls -ld /dev/null | awk '{print $3}' >/owner.of.a.device\n"
        "RUN awk '{print $2,$3,$4}' /proc/mounts | grep -E '^/(dev|proc|sys)' | grep -v -e cgroup -e otel -e ' devtmpfs ' -e /proc/[ikt] | sed 's/size=[0-9]*k,//; s/,uid=.*//' | cut -d, -f1-3 | sort >/mounts\n"
        "RUN echo x >/dev/null && head -c3 /dev/zero | wc -c >/n && head -c3 /dev/urandom | wc -c >>/n; echo x >/dev/full || echo full >>/n\n",
        differs="Owners of devices",
    ),
    "host names": Case(
        _BOX
        + "RUN hostname >/h; cat /etc/hosts >/hosts.seen; test -s /etc/resolv.conf; ls -l /etc | awk '{print $1,$9}' >/etc.seen\n"
    ),
    "added hosts": Case(
        _BOX + "RUN cat /etc/hosts >/seen\n",
        words=(("--opt", "add-hosts=one.test=127.0.0.5,two.test=::1"),),
        own=("--add-host", "one.test:127.0.0.5", "--add-host", "two.test=::1"),
    ),
    "limits": Case(
        _BOX + "RUN df -k /dev/shm | awk 'NR==2{print $2}' >/shm; ulimit -n >/n; ulimit -Hn >>/n\n",
        words=(("--opt", "shm-size=8388608"), ("--opt", "ulimit=nofile=100:200")),
        own=("--shm-size", "8m", "--ulimit", "nofile=100:200"),
    ),
    "no network": Case(
        _BOX
        + "RUN --network=none cut -d: -f1 /proc/net/dev | sed -n '3,$p' | tr -d ' ' >/links; wc -l </proc/net/route >/routes; ping -c1 127.0.0.1 >/dev/null && echo up >/up\n"
    ),
    "sandboxed": Case(_BOX + "RUN --security=sandbox --network=default echo x >/x\n"),
    "processes left behind": Case(
        _BOX
        + "RUN sleep 1000 & echo $! | tr 0-9 n | tr -s n >/started\nRUN (sleep 2000; echo never >/never) >/dev/null 2>&1 & ps | grep -c '[s]leep 1000' >/count; true\n"
    ),
    "a root of nothing": Case(
        "FROM scratch\nCOPY --from=box /bin /bin\nRUN echo $HOME >/x; ls / >/seen; id -u >/uid\n",
        differs="Places of mounts",
    ),
    # Removals and replacements
    "removals": Case(
        _BOX + "RUN rm /opt/data/one /opt/current /usr/bin/tool && rm -r /var/old\nRUN rm -rf /home/www /nothing\n"
    ),
    "made and removed": Case(
        _BOX
        + "RUN mkdir /t && touch /t/x /opt/data/new\nRUN rm -r /t /opt/data/new && rmdir /var/old || rm -r /var/old\nRUN mkdir /t2 && rm -r /t2 && touch /opt/y && rm /opt/y\n",
        differs="Layers without a file",
    ),
    "a folder made again": Case(
        _BOX
        + "RUN rm -rf /opt/data && mkdir /opt/data && echo new >/opt/data/two\nRUN rm -rf /opt/data/ && mkdir -m 700 /opt/data\n"
    ),
    "a folder emptied": Case(_BOX + "RUN rm -rf /opt/data/* /var/old/*\nRUN touch /opt/data/again\n"),
    "renames": Case(
        _BOX
        + "RUN mv /opt/data /opt/moved && mv /opt/moved/one /opt/moved/uno\nRUN mv /opt/moved/sub /sub && mv /opt/moved /opt/data\nRUN mv /usr/bin/tool /usr/bin/tool2\n"
    ),
    "renames over what is there": Case(
        _BOX
        + "RUN mkdir /opt/new && echo n >/opt/new/n && rm -r /opt/data && mv /opt/new /opt/data\nRUN mv /opt/data/n /etc/group\n"
    ),
    "a folder where a file was": Case(
        _BOX
        + "RUN rm /opt/data/one && mkdir /opt/data/one && touch /opt/data/one/in\nRUN rm -r /opt/data/sub && echo f >/opt/data/sub\n"
    ),
    "a folder where a link was": Case(
        _BOX
        + "RUN rm /opt/current && mkdir /opt/current && touch /opt/current/in\nRUN rm -r /opt/data && ln -s current /opt/data\nRUN ls /opt/data/ >/seen\n"
    ),
    "a link where a file was": Case(
        _BOX
        + "RUN ln -sf two /opt/data/one && ln -sfn /etc /opt/current\nRUN rm /opt/data/one && cat /opt/data/two >/opt/data/one\n"
    ),
    "through links": Case(
        _BOX
        + "RUN echo new >/opt/current/new && rm /opt/current/one && mkdir /opt/current/sub/deep\nRUN ln -s /opt/current /cur && touch /cur/three\n"
    ),
    # Attributes
    "modes": Case(
        _BOX
        + "RUN chmod 600 /opt/data/one && chmod 711 /opt/data && chmod -R g+w /opt/data/sub && chmod 1777 /var && chmod 0 /opt/data/two\nRUN umask 077; touch /private; mkdir /closed\n"
    ),
    "owners": Case(
        _BOX
        + "RUN chown 5:6 /opt/data/one && chown -R www:web /opt/data/sub && chown -h 7:8 /opt/current && chgrp web /home/www && chown 60000:60001 /var/old\n"
    ),
    "owners that do not change": Case(
        _BOX + "RUN chown 0:0 /opt/data/one && chmod 640 /opt/data/one && chown -R root:root /var\n",
        differs="Layers without a file",
    ),
    "touched": Case(_BOX + "RUN touch /opt/data/one && cat /opt/data/two >/t && cat /t >/opt/data/two && rm /t\n"),
    "setuid, setgid and sticky": Case(
        _BOX
        + "RUN chmod 4755 /opt/data/one && chmod 2750 /opt/data/two && chmod 1777 /opt/data && touch /s && chmod 7777 /s\nRUN chown 5 /usr/bin/tool\nRUN mkdir /opt/data/sub/inherits && touch /opt/data/sub/f\n"
    ),
    "hard links": Case(
        _BOX
        + "RUN echo x >/h1 && ln /h1 /h2 && mkdir /d && ln /h1 /d/h3 && ln -s h1 /d/s\nRUN ln /opt/data/one /opt/data/uno\nRUN echo more >>/h2\n"
    ),
    "hard links of the base": Case(
        _BOX
        + "RUN chmod 700 /usr/bin/tool /usr/bin/tool-too\nRUN ln /usr/bin/tool /usr/bin/third && rm /usr/bin/tool\n"
    ),
    "pipes": Case(_BOX + "RUN mkfifo -m 640 /pipe && mkdir /o && mkfifo /o/p && chown 3:4 /o/p\n"),
    "sparse files": Case(
        _BOX
        + "RUN truncate -s 3M /sparse && dd if=/dev/zero of=/holes bs=1 count=1 seek=1000000 2>/dev/null && printf x >>/sparse\n"
    ),
    "sticky /tmp": Case(
        _BOX
        + "RUN touch /tmp/f && mkdir /tmp/d\nUSER www\nRUN touch /tmp/mine; rm -f /tmp/f; ls /tmp >/tmp/seen\nUSER 0\nRUN rm -r /tmp/*\n"
    ),
    "odd names": Case(
        _BOX
        + "RUN mkdir '/with blank' \"/$(printf 'a\\nb')\" /grüße && touch \"/grüße/$(printf '\\377')\" /-f '/*' \"/$(printf '%0150d' 7)\" && mkdir -p /$(printf '%0120d' 1)/$(printf '%0120d' 2) && ln -s \"$(printf '%0200d' 3)\" /long\n"
    ),
    "extended attributes": Case(
        "FROM deb\nRUN touch /x && setfattr -n user.note -v text /x && setfattr -n user.empty /x && mkdir /d && setfattr -n user.d -v 0s/w== /d\nRUN setfattr -x user.empty /x && echo y >>/x\n",
        differs="Extended attributes",
    ),
    "capabilities": Case(
        "FROM deb\nRUN cp /bin/true /t && setcap cap_net_bind_service,cap_chown=+ep /t && getcap /t >/got\nRUN setcap -r /t && setcap cap_net_raw+ei /bin/hostname\n"
    ),
    # Stages
    "copied from a stage that ran": Case(
        "FROM box AS a\nRUN mkdir -p /out/d && echo x >/out/f && ln /out/f /out/d/g && ln -s f /out/s && chown -R 5:6 /out && chmod 4750 /out/f\n"
        "RUN rm -r /opt/data/sub\nFROM a AS b\nRUN rm /out/s && echo b >/out/b\nFROM scratch\nCOPY --from=a /out /a\nCOPY --from=b /out /b/\nCOPY --from=b /opt /opt\n"
    ),
    "run after copy after run": Case(
        _BOX
        + "RUN mkdir /app && ln -s /app /link\nCOPY dir /app/\nCOPY a.txt /link/\nRUN rm /app/one && mv /app/sub /app/bus && chmod 600 /app/a.txt\nCOPY b.txt /app/one\nADD t.tar.gz /app/\nRUN ls -R /app >/seen\nWORKDIR /link/w\n"
    ),
    "accounts that RUN made": Case(
        _BOX
        + "RUN echo 'new:x:70:71::/:/bin/sh' >>/etc/passwd && echo 'team:x:72:new' >>/etc/group\nCOPY --chown=new:team a.txt /a\nUSER new\nWORKDIR /w\nRUN id >/tmp/id; ls -ld /w | awk '{print $3,$4}' >/tmp/w\n"
    ),
    "stages of stages": Case(
        "FROM box AS one\nRUN echo 1 >/1\nFROM one AS two\nARG V=2\nRUN echo $V >/2\nFROM two\nRUN cat /1 /2 >/3\nLABEL v=$V\n"
    ),
    # Mounts
    "bind of the context": Case(
        _BOX
        + "RUN --mount=type=bind,target=/c ls -1 /c >/seen && cp -a /c/dir/one /c/dangling /\nRUN --mount=target=/a.txt,source=a.txt cat /a.txt >/b\nRUN --mount=target=/c,ro touch /c/x || echo refused >/ro\n",
        ignore="more\n*.tar*\n*.gz\n",
    ),
    "bind that is written": Case(
        _BOX
        + "RUN --mount=target=/c,rw touch /c/new && rm /c/a.txt && ls -1 /c >/seen\nRUN --mount=target=/c ls -1 /c >/seen2\n",
        ignore="more\n*.tar*\n*.gz\n",
    ),
    "bind of a stage": Case(
        "FROM box AS a\nRUN echo x >/made && chown 5 /made\nFROM box\nRUN --mount=from=a,target=/a,source=/ cp -a /a/made /made\nRUN --mount=from=a,source=/opt/data,target=/opt/data,rw rm /opt/data/one\nRUN --mount=from=extra,target=/e cat /e/e.txt >/e.txt\nRUN --mount=from=box,source=/etc,target=/m ls /m >/etc.txt\n",
        differs="Layers without a file",
    ),
    "bind by variables": Case(
        _BOX + "ARG D=dir F=box\nENV T=/t\nRUN --mount=type=bind,source=$D,target=$T/x ls /t/x >/seen\n"
    ),
    "relative targets": Case(
        _BOX
        + "WORKDIR /w\nRUN --mount=target=c,source=dir ls c >seen\nRUN --mount=type=cache,target=k touch k/f && ls -a >seen2\n"
    ),
    "cache": Case(
        _BOX
        + "RUN --mount=type=cache,target=/k echo 1 >/k/f && ls -ld /k | awk '{print $1,$3,$4}' >/m\nRUN --mount=type=cache,target=/k cat /k/f >/seen && ls -a /k >>/seen\nRUN ls / >/after\n"
    ),
    "caches apart": Case(
        _BOX
        + "RUN --mount=type=cache,id=one,target=/k echo 1 >/k/f\nRUN --mount=type=cache,id=two,target=/k ls /k >/two\nRUN --mount=type=cache,id=one,target=/other cat /other/f >/one\nRUN --mount=type=cache,target=/x,mode=0700,uid=5,gid=6,sharing=locked ls -ldn /x | awk '{print $1,$3,$4}' >/m; touch /x/y\n",
        differs="Layers without a file",
    ),
    "cache that begins with a folder": Case(
        "FROM box AS a\nRUN mkdir /s && echo seed >/s/f && chown 5 /s\nFROM box\nRUN --mount=type=cache,id=seeded,from=a,source=/s,target=/k cat /k/f >/seen; ls -ldn /k | awk '{print $1,$3}' >>/seen\n"
    ),
    "cache over what is there": Case(
        _BOX
        + "RUN --mount=type=cache,target=/opt/data ls -a /opt/data >/seen; touch /opt/data/cached\nRUN ls /opt/data >/seen2\n"
    ),
    "tmpfs": Case(
        _BOX
        + "RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/f bs=1k count=2000 2>/dev/null || ls -l /t | awk 'NR>1{print $5}' >/seen; ls -ld /t | awk '{print $1}' >>/seen\nRUN --mount=type=tmpfs,target=/opt/data ls /opt/data | wc -l >/n; touch /opt/data/x\n"
    ),
    "secrets": Case(
        _BOX
        + "RUN --mount=type=secret,id=key wc -c </run/secrets/key >/n; ls -ln /run/secrets/key | awk '{print $1,$3,$4,$5}' >>/n\n"
        "RUN --mount=type=secret,id=key,target=/etc/key,mode=0440,uid=5,gid=6 ls -ln /etc/key | awk '{print $1,$3,$4,$5}' >/m\n"
        "RUN --mount=type=secret,id=key,env=KEY echo ${#KEY} >/l\nRUN --mount=type=secret,id=none ls -A /run 2>/dev/null >/r; true\n"
        "WORKDIR /w\nRUN --mount=type=secret,id=key,dst=rel wc -c <rel >c\n",
        secrets={"key": "planted secret"},
    ),
    "no agent": Case(
        _BOX + "RUN --mount=type=ssh echo ${SSH_AUTH_SOCK:-none} >/agent; echo $? >/s\n", differs="No agent"
    ),
    "many mounts": Case(
        _BOX
        + "RUN --mount=target=/m/ctx --mount=type=cache,target=/m/cache --mount=type=tmpfs,target=/m/tmp --mount=type=secret,id=key,target=/m/key ls /m >/seen; touch /m/kept\nRUN ls /m >/after\n",
        secrets={"key": "planted"},
    ),
    # Debian
    "dpkg": Case(
        "FROM deb\nRUN --mount=from=repo,target=/repo dpkg -i /repo/hello_*.deb && hello >/said && rm -f /var/log/dpkg.log /var/lib/dpkg/*-old\nRUN dpkg -r hello && rm -f /var/log/dpkg.log /var/lib/dpkg/*-old\n"
    ),
    "apt": Case("FROM deb\nENV DEBIAN_FRONTEND=noninteractive\n" + _APT + "RUN jq -n 1+1 >/two\n"),
    "useradd": Case(
        "FROM deb\nRUN groupadd -g 1000 app && useradd -u 1000 -g app -m -s /bin/bash app && usermod -aG tty app && rm -f /etc/*- /var/log/faillog /var/log/lastlog && sed -i 's/:[0-9]*:0:99999/:1:0:99999/' /etc/shadow\n"
        "RUN install -d -o app -g app -m 750 /srv/app && install -m 640 -o app /etc/passwd /srv/app/\nUSER app\nWORKDIR /srv/app/w\nRUN id >id && touch ~/mine && stat -c '%U %G %a' . >s\n"
    ),
    "adduser": Case(
        "FROM deb\nRUN adduser --system --group --home /var/lib/svc --uid 901 svc && rm -f /etc/*- && sed -i 's/:[0-9]*:0:99999/:1:0:99999/;s/svc:!:[0-9]*/svc:!:1/' /etc/shadow\nCOPY --chown=svc:svc a.txt /var/lib/svc/\n"
    ),
    "alternatives": Case(
        "FROM deb\nRUN update-alternatives --install /usr/bin/editor editor /bin/cat 10 && rm -f /var/log/alternatives.log && ln -sf ../../bin/bash /usr/local/bin/sh2\n"
    ),
    "tar": Case(
        "FROM deb\nRUN mkdir /s && tar --owner=5 --group=6 -cf /t.tar --mtime=@1 --sort=name -C /etc skel && tar -xpf /t.tar -C /s && rm /t.tar && ls -ln /s | awk 'NR>1{print $3,$4}' >/seen\n"
    ),
}
"""Built by both."""

NEITHER: dict[str, Case] = {
    "a command that fails": Case(_BOX + "RUN echo before && exit 3\n"),
    "a program that is not there": Case(_BOX + 'RUN ["/nothing"]\n'),
    "a shell that is not there": Case("FROM scratch\nRUN echo x\n"),
    "a user that is not there": Case(_BOX + "USER nobody-here\nRUN id\n"),
    "insecure": Case(_BOX + "RUN --security=insecure true\n"),
    "a secret that is needed": Case(_BOX + "RUN --mount=type=secret,id=none,required true\n"),
    "an agent that is needed": Case(_BOX + "RUN --mount=type=ssh,required true\n"),
    "a mount of a stage that is not there": Case(
        "FROM box AS now\nRUN --mount=from=later,target=/x true\nFROM now AS later\n", target="later"
    ),
    "a mount of nothing": Case(_BOX + "RUN --mount=source=not-there,target=/x true\n"),
    "a mount without a target": Case(_BOX + "RUN --mount=type=cache true\n"),
    "a mount of no kind": Case(_BOX + "RUN --mount=type=kind,target=/x true\n"),
    "a mount with an unknown word": Case(_BOX + "RUN --mount=target=/x,word=1 true\n"),
    "a network of no kind": Case(_BOX + "RUN --network=kind true\n"),
    "an unknown flag": Case(_BOX + "RUN --flag=x true\n"),
    "a resolv.conf that is written": Case(_BOX + "RUN echo x >/etc/resolv.conf\n"),
    "a mount": Case(_BOX + "RUN mount -t tmpfs none /mnt\n"),
}
"""Refused by both, and here with the exit code of what fails: 7 for a command, 2 or 3 for a line."""
