"""Dockerfiles that BuildKit and we build side by side, each one variation; tests/interop/sidebyside.py has the files.

`bb`, `nopath`, `rich` and `onbuild` are base images, `extra` is a folder.
"""

from tests.interop.sidebyside import Case

CASES: dict[str, Case] = {
    # Settings
    "nothing but settings": Case("FROM scratch\nLABEL a=b\n"),
    "env": Case('FROM rich\nENV A=new C="a b" D=a\\ b E=\'$A\' F="$A" G=$A\nENV A=$A-2 H=${PATH}\n'),
    "env, the old form": Case('FROM bb\nENV A b  c "d"\nENV B $A x\nENV C=a=b\nENV D =\n'),
    "path where there is none": Case("FROM nopath\nENV PATH=$PATH:/x\nENV PATH=/y:$PATH\n"),
    "labels": Case(
        'FROM rich\nLABEL z="b c" a.b/c=d "key with blank"=v empty=\nLABEL multi="one\\\n two" old=$A\nLABEL k the rest\n'
    ),
    "user": Case("FROM bb\nARG U=www\nUSER $U:web\nUSER 1000\nUSER 7:8\n"),
    "expose": Case(
        "FROM rich\nARG P=9000-9002/udp\nEXPOSE 80 443/TCP 53/udp $P 8080:70 127.0.0.1:90:91/sctp\nEXPOSE 80\n"
    ),
    "volume": Case('FROM rich\nARG V=/v\nVOLUME /data /b$V\nVOLUME ["/e f", "$V"]\nVOLUME rel/\n'),
    "stopsignal": Case("FROM scratch\nARG S=9\nSTOPSIGNAL $S\nSTOPSIGNAL SIGRTMIN+3\nSTOPSIGNAL hup\n"),
    "shell": Case('FROM bb\nCMD one\nSHELL ["/bin/bash", "-o", "a b", "-c"]\nENTRYPOINT two "three"\n'),
    "shell of the base": Case("FROM rich\nENTRYPOINT run\n"),
    "cmd before entrypoint": Case('FROM rich\nCMD ["x"]\nENTRYPOINT ["a", "b\\"c", "\\u00e9\\n\\t"]\n'),
    "entrypoint resets cmd": Case('FROM rich\nENTRYPOINT ["a"]\n'),
    "empty words": Case("FROM rich\nENTRYPOINT []\nCMD []\n"),
    "cmd of a shell": Case("FROM scratch\nCMD echo $HOME && \\\n  # a comment\n  true\n"),
    "not quite json": Case("FROM scratch\nCMD ['a', 'b']\nENTRYPOINT [ \"a\" ] x\n"),
    "healthcheck": Case(
        "FROM bb\nHEALTHCHECK --interval=1m30s --timeout=1h --start-period=250ms --start-interval=5s --retries=4 CMD a b\n"
        'HEALTHCHECK --interval=1.5h CMD ["a", "b"]\n'
    ),
    "no healthcheck": Case("FROM rich\nHEALTHCHECK NONE\n"),
    "maintainer": Case('FROM bb\nMAINTAINER "Me" <me@x.test>\n'),
    "onbuild": Case("FROM bb\nONBUILD COPY . /app\nONBUILD RUN  make  it\nonbuild env a=b\n"),
    "workdirs": Case(
        "FROM bb\nENV D=d\nWORKDIR /a/$D/\nWORKDIR b\nWORKDIR ../c/./e\nWORKDIR /tmp\nWORKDIR /\nWORKDIR .\nWORKDIR x//\n"
    ),
    "nothing where a word is expected": Case(
        "FROM rich\nUSER $NONE\nWORKDIR /a\nWORKDIR $NONE\nEXPOSE $NONE\nCOPY a.txt $NONE\nENTRYPOINT\nCMD\n"
    ),
    "workdir through links": Case("FROM bb\nWORKDIR /bin/sub\nWORKDIR /var/run/x\n"),
    "workdir for a user": Case(
        "FROM bb\nUSER www\nWORKDIR /home/www/a/b\nUSER 5\nWORKDIR /n\nUSER 5:6\nWORKDIR /m\nUSER www:web\nWORKDIR /l\n"
    ),
    "workdir that is there": Case("FROM rich\nWORKDIR /tmp\nWORKDIR sub\nWORKDIR /home/www\n"),
    # Words
    "expansions": Case(
        "FROM bb\nARG V=value EMPTY=\nLABEL a=${V:-x} b=${N:-x} c=${EMPTY:-x} d=${EMPTY-x} e=${N-x} f=${V:+y} g=${EMPTY:+y} "
        'h=${EMPTY+y} i=${N+y} j=${N:-${V}-z} k=\\$V l="\\$V" m=\'$V\' n=$V$V o=${V}s p=$Vs q=$ r="$" s=${V:?no} t=a$\n'
    ),
    "patterns in expansions": Case(
        "FROM bb\nARG P=/a/b.tar.gz V=foobarfoo\nLABEL a=${P#*/} b=${P##*/} c=${P%.*} d=${P%%.*} e=${V/foo/x} f=${V//foo/x} "
        "g=${V/o?/x} h=${V//o*b/} i=${P##/*/} j=${V#fo?} k=${N#x}\n"
    ),
    "another escape": Case("# escape=`\nFROM scratch\nARG V=1\nLABEL a=`$V b=\\x `\n  c=$V\nENV P=c:\\dir\n"),
    "comments and blanks": Case(
        "\n# a comment\n  FROM bb\n  # indented\nLABEL a=1 \\\n\n  # inside\n  b=2 \\\n  c=3   \n\n\tENV x=y#no-comment z="  # none"\n"
    ),
    "lower case words": Case("from bb as Base\nfrom base\ncopy a.txt /\nAdd b.txt /\nworkDir /w\n"),
    "windows line ends": Case("FROM bb\r\nLABEL a=1 \\\r\n  b=2\r\nCOPY a.txt /\r\nCMD x\r\n"),
    # ARG
    "scopes of arg": Case(
        "ARG V=1\nARG W=$V-2\nFROM bb AS a\nLABEL none=$V\nARG V\nARG W\nLABEL v=$V w=$W\nFROM a\nLABEL from=$V\nARG V=3\nLABEL v3=$V\n",
        args={"W": "given"},
    ),
    "arg against env": Case(
        "FROM bb\nENV V=env\nARG V=arg\nLABEL a=$V\nENV V=env2\nLABEL b=$V\nARG X Y=1 Z='a b'\nLABEL c=$X$Y$Z\n"
    ),
    "automatic arguments": Case(
        "FROM --platform=$TARGETPLATFORM bb AS a\nLABEL none=$TARGETARCH\nARG TARGETOS\nARG TARGETARCH TARGETVARIANT\nARG TARGETPLATFORM\n"
        "LABEL p=$TARGETPLATFORM a=$TARGETARCH v=$TARGETVARIANT o=$TARGETOS\nARG TARGETARCH=mine\nLABEL m=$TARGETARCH\n",
        platforms=("linux/amd64", "linux/arm64", "linux/arm/v7"),
    ),
    "proxies and builtins": Case(
        "FROM bb\nARG HTTP_PROXY\nLABEL p=$HTTP_PROXY\nARG TARGETSTAGE\nLABEL s=$TARGETSTAGE\nARG no_proxy=x V\n",
        args={"HTTP_PROXY": "http://p.test"},
    ),
    "arg in from": Case(
        "ARG BASE=bb\nARG TAG\nFROM ${BASE:-nopath} AS x\nFROM ${TAG:-x}\nARG BASE\nLABEL b=$BASE\n"
    ),
    # COPY
    "copy": Case(
        "FROM bb\nCOPY a.txt /new/name\nCOPY a.txt /new/dir/\nCOPY run.sh b.txt setuid ./\nCOPY a.txt .\nCOPY a.txt x\n"
    ),
    "copy folders": Case(
        "FROM scratch\nCOPY dir /d\nCOPY dir/ e/\nCOPY dir/sub /f/\nCOPY dir one two /g/\nCOPY out dir /h\n"
    ),
    "copy everything": Case(
        "FROM bb\nCOPY . /app\nWORKDIR /w\nCOPY . .\n", ignore="Dockerfile\n.dockerignore\nt.*\n"
    ),
    "copy into what is there": Case(
        "FROM bb\nCOPY dir /tmp\nCOPY a.txt /tmp\nCOPY dir /home/www/\nCOPY a.txt /home/www/x/y\n"
    ),
    "copy over links": Case(
        "FROM bb\nCOPY a.txt /bin/\nCOPY run.sh /bin/busybox\nCOPY b.txt /var/run/\nCOPY b.txt /var/run/deep/x\nCOPY a.txt /bin/sh\n"
    ),
    "copy links": Case(
        "FROM scratch\nCOPY to-file /a\nCOPY to-dir /b\nCOPY to-dir/sub /c\nCOPY dir/link dir/up/amd64/app /d/\n"
    ),
    "copy over a copied link": Case("FROM scratch\nCOPY dir /d\nCOPY b.txt /d/link\nCOPY a.txt /d/one\n"),
    "copy globs": Case(
        "FROM scratch\nCOPY *.txt /a/\nCOPY d*/*.txt /b/\nCOPY dir/[a-k,m-z]* /c/\nCOPY o?t/*/app /d/\nCOPY [ab].txt /e/\nCOPY *.sh /f\n"
    ),
    "copy odd names": Case(
        'FROM scratch\nCOPY ["with blank.txt", "grüße.txt", "/to here/"]\nCOPY br[[]1].txt /b\nCOPY gr* /g/\n'
    ),
    "copy outside": Case("FROM scratch\nCOPY ../../a.txt /a\nCOPY /b.txt ../../b\nCOPY ./dir/../a.txt /c/../d\n"),
    "copy modes": Case(
        "FROM scratch\nCOPY --chmod=1700 a.txt /z/y/x\nCOPY --chmod=444 dir /a\nCOPY --chmod=0777 a.txt /b/f\nCOPY --chmod=0600 a.txt /c/f\nCOPY --chmod=4755 setuid /d/\nCOPY setuid /e\n"
    ),
    "copy modes in symbols": Case(
        "FROM scratch\nCOPY --chmod=u=rwX,go=rX dir /a\nCOPY --chmod=+x a.txt /b/f\nCOPY --chmod=go-rwx,u+s run.sh /c\nCOPY --chmod=g=u,o= b.txt /d/\nCOPY --chmod=a-w dir/sub /e/\n"
    ),
    "copy modes by arg": Case("FROM bb\nARG M=640\nARG O=www\nCOPY --chmod=$M --chown=${O}:web a.txt /a/\n"),
    "copy owners": Case(
        "FROM bb\nCOPY --chown=5 dir /a\nCOPY --chown=5:6 a.txt /b/c/\nCOPY --chown=www a.txt /d\nCOPY --chown=www:web dir /tmp\n"
        "COPY --chown=7:web a.txt /e\nCOPY --chown=www:9 a.txt /f\nCOPY --chown=:web a.txt /g\n"
    ),
    "copy owners of copied accounts": Case(
        "FROM scratch\nCOPY passwd group /etc/\nCOPY --chown=app:staff a.txt /a/\nUSER app\nWORKDIR /w\nCOPY b.txt .\nCOPY --chown=app b.txt c\n"
    ),
    "copy links of names": Case(
        "FROM scratch\nCOPY hard /h\nCOPY hard/first hard/second /i/\nCOPY hard/* /k/\nCOPY hard hard/ /l/\nCOPY --chown=3 hard /j\n"
    ),
    "copy link": Case(
        "FROM bb\nCOPY --link a.txt /bin/\nCOPY --link dir /tmp/\nCOPY --link --chown=5:6 a.txt /x/y\nCOPY --link=false a.txt /usr/bin/\nCOPY --link a.txt /home/www/\n"
    ),
    "copy link and mode": Case("FROM bb\nCOPY --link --chmod=600 a.txt /x/y\nCOPY --link --chmod=+x a.txt /z/\n"),
    "copy parents": Case(
        "FROM scratch\nCOPY --parents src/x/m.c src/w/n.h /a/\nCOPY --parents src/**/*.c /b/\nCOPY --parents ./src/./x/y/z.c /c/\nCOPY --parents dir/sub /d\nCOPY --parents src/*/ /e/\n"
    ),
    "copy parents and owners": Case(
        "FROM scratch\nCOPY --parents --chown=5:6 dir/sub/deep /a/\nCOPY --parents --chmod=700 src/x/m.c /b/\n"
    ),
    "copy without": Case(
        "FROM scratch\nCOPY --exclude=*.md --exclude=sub/deep dir /a/\nCOPY --exclude=**/*.txt dir /b\nCOPY --exclude=* --exclude=!two.txt dir /c/\nCOPY --exclude=b* a.txt b.txt /d/\n"
    ),
    "copy heredocs": Case(
        "FROM scratch\nARG V=1\nCOPY <<a.conf <<'b.conf' <<-c /etc/\n$V \"quoted\" \\$V ${V}x\na.conf\n$V\nb.conf\n\t\ttabs $V\n\tc\n"
        "COPY --chmod=755 --chown=5:6 <<EOF /bin/run\n#!/bin/sh\nEOF\nCOPY a.txt <<more /mixed/\nx\nmore\n"
    ),
    "copy from stages": Case(
        "FROM bb AS one\nCOPY --chown=5:6 --chmod=2750 dir /d\nWORKDIR /w\nFROM scratch AS two\nCOPY --from=one /usr /u\nCOPY --from=0 /home/www /x\n"
        "FROM scratch\nCOPY --from=one --chown=9 /d /d\nCOPY --from=two / /all/\nCOPY --from=one /bin/sh /etc/passwd /bin/\nCOPY --from=one /tmp /t\nCOPY --from=one /w /d/link /y/\n"
    ),
    "copy from images and folders": Case(
        "FROM nopath\nCOPY --from=bb /etc/passwd /p\nCOPY --from=bb /bin /b\nCOPY --from=bb /home /h\nCOPY --from=extra . /e/\nCOPY --from=extra e.txt /f\n"
    ),
    "copy what is ignored": Case(
        "FROM scratch\nCOPY . /a/\nCOPY docs /d/\n",
        ignore="# comment\n*\n!docs\ndocs/*\n!docs/README.md\n!dir/sub\n**/five.txt\n!src/**/*.c\n  a.txt  \n!/one/f\n",
    ),
    "an ignore file of its own": Case(
        "FROM scratch\nCOPY . /a/\n", ignore="dir\n", own_ignore="*.t*\nout\n\n**/.hidden\n[ab]*\n"
    ),
    # ADD
    "add archives": Case(
        "FROM bb\nADD t.tar /a/\nADD t.tar.gz /b\nADD t.tar.bz2 c/\nADD t.tar.xz /d/\nADD t.tar.zst /e/\nADD no.tar.gz /f/\nADD only.gz /g/\n"
    ),
    "add archives with flags": Case(
        "FROM bb\nADD --chown=www t.tar /a/b/\nADD --unpack=false t.tar /c/\nADD --unpack=true t.tar.gz /d/\nADD --link t.tar /e/\nADD --chmod=700 t.tar /f/\nADD t.tar a.txt /g/\n"
    ),
    "add over what is there": Case(
        "FROM bb\nCOPY dir /a/top\nADD t.tar /a\nADD t.tar /tmp\nADD dir /tmp/\nADD t.* /many/\n"
    ),
    "add files": Case("FROM bb\nADD a.txt dir /x/\nADD --chown=5 --chmod=600 b.txt /y\nADD --exclude=sub dir /z\n"),
    # Stages
    "stages": Case(
        'FROM nowhere.invalid/x AS unused\nRUN false\nFROM bb AS base\nENV A=1\nARG X=arg\nLABEL l=1\nCMD c\nCOPY a.txt /\nFROM base AS mid\nLABEL l=$X\nENTRYPOINT ["e"]\nFROM mid\nCMD d\nCOPY b.txt /\n'
    ),
    "a target": Case(
        "FROM bb AS one\nLABEL a=1\nFROM one AS Two\nCOPY a.txt /\nFROM nowhere.invalid/x\nCOPY --from=two / /\n",
        target="two",
    ),
    "a target by number": Case("FROM bb\nLABEL a=1\nFROM scratch\nLABEL b=1\n", target="0"),
    "onbuild of a stage": Case(
        "FROM bb AS one\nONBUILD COPY a.txt /t/\nONBUILD ENV T=$A\nENV A=1\nFROM one AS two\nLABEL x=$T\nFROM two\nLABEL y=$T\n"
    ),
    "onbuild of a base": Case("FROM onbuild AS x\nLABEL l=$ONB\nFROM x\nCOPY b.txt .\n"),
    "several platforms": Case(
        "FROM bb\nARG TARGETARCH\nCOPY out/${TARGETARCH}/app /bin/\nCOPY dir /d\n",
        platforms=("linux/amd64", "linux/arm64", "linux/arm/v7"),
    ),
    "a named platform": Case("FROM --platform=linux/arm/v7 bb\nCOPY a.txt /\n", platforms=("linux/amd64",)),
    "the platform of the builder": Case(
        "FROM --platform=$BUILDPLATFORM bb AS b\nARG TARGETARCH BUILDARCH\nCOPY a.txt /made-on-$BUILDARCH-for-$TARGETARCH\nFROM bb\nCOPY --from=b /made* /\n",
        platforms=("linux/arm64", "linux/amd64"),
    ),
    "scratch on platforms": Case(
        "FROM scratch\nCOPY a.txt /\n", platforms=("linux/arm64", "linux/arm/v7", "linux/arm/v6")
    ),
    "everything of a base": Case("FROM scratch\nCOPY --from=rich / /\n"),
    "nothing on top": Case("FROM rich\n"),
}
