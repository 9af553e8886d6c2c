"""Dockerfiles that BuildKit and we build side by side, each one variation; tests/interop/sidebyside.py has the files.

`bb`, `nopath`, `rich`, `onbuild` and `v6` are base images, `extra` and `aged` are folders. CASES are built by both,
NEITHER by none; the others are differences, which docs/reference/buildkit-differences.md explains.
"""

from tests.interop.sidebyside import Case

CASES: dict[str, Case] = {
    # Settings
    "nothing at all": Case("FROM scratch\n", differs="An image of nothing"),
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
        "FROM bb\nENV D=d\nWORKDIR /a/$D/\nWORKDIR b\nWORKDIR ../c/./e\nWORKDIR /\nWORKDIR .\nWORKDIR x//\n"
    ),
    "nothing where a word is expected": Case(
        "FROM rich\nUSER $NONE\nWORKDIR /a\nWORKDIR $NONE\nEXPOSE $NONE\nCOPY a.txt $NONE\nENTRYPOINT\nCMD\n",
        differs="Layers without a file",
    ),
    "workdir through links": Case("FROM bb\nWORKDIR /bin/sub\nWORKDIR /var/run/x\n"),
    "workdir for a user": Case(
        "FROM bb\nUSER www\nWORKDIR /home/www/a/b\nUSER 5\nWORKDIR /n\nUSER 5:6\nWORKDIR /m\nUSER www:web\nWORKDIR /l\n"
    ),
    "workdir that is there": Case(
        "FROM rich\nWORKDIR /tmp\nWORKDIR sub\nWORKDIR /home/www\nCOPY dir/empty /tmp\n",
        differs="Layers without a file",
    ),
    "workdir with dots": Case("FROM bb\nWORKDIR //x/../y/./\nCOPY a.txt ./b/\nWORKDIR z/../k\nCOPY a.txt q\n"),
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
    "arg below env in another stage": Case(
        "FROM rich AS x\nARG A=arg\nARG C=1 D=$C\nLABEL a=$A d=$D\nFROM x\nLABEL b=$A c=$C\nARG A\nLABEL e=$A\n"
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
        "FROM scratch\nCOPY *.txt /a/\nCOPY d*/*.txt /b/\nCOPY dir/[e-k,m-t]* /c/\nCOPY o?t/*/app /d/\nCOPY [ab].txt /e/\nCOPY *.sh /f\n"
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
    "lines of accounts": Case(
        "FROM scratch\nCOPY <<passwd <<group /etc/\n# app:x:1:1::/:\n\n  app:x:7:8\napp:x:9:9::/:\npasswd\n\tweb::50\nweb:x:51:\ngroup\n"
        "COPY --chown=app a.txt /a/\nCOPY --chown=app:web a.txt /b/\n"
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
        "FROM nopath\nCOPY --from=bb /etc/passwd /p\nCOPY --from=bb /bin /b\nCOPY --from=bb /home /h\nCOPY --from=extra . /e/\nCOPY --from=extra e.txt /f\n",
        platforms=("linux/amd64", "linux/arm64", "linux/arm/v7"),
    ),
    "a folder in the place of a stage": Case(
        "FROM nowhere.invalid/x AS Extra\nRUN make\nFROM scratch\nCOPY --from=extra e.txt /\nCOPY --from=0 e.txt /f\n",
        platforms=("linux/amd64", "linux/arm64"),
    ),
    "every spelling of a context": Case(
        "FROM docker.io/library/bb:latest\nCOPY --from=library/nopath /etc/passwd /p\n"
    ),
    "heredocs with windows line ends": Case(
        "FROM scratch\r\nCOPY <<a <<-a /x/\r\n1\r\na\r\n\t2\r\n\ta\r\n",
    ),
    "copy what is ignored": Case(
        "FROM scratch\nCOPY . /a/\nCOPY docs /d/\n",
        ignore="# comment\n*\n!docs\ndocs/*\n!docs/README.md\n!dir/sub\n**/five.txt\n!src/**/*.c\n  a.txt  \n!/one/f\n",
    ),
    "exceptions that come too late": Case(
        "FROM scratch\nCOPY . /a/\n",
        ignore="\ufeff**.txt\r\n!dir\r\n**/y\n!*/x\nout/arm\n!out\n***.tar\n./!to-*\nhard/\n!hard/second/\n\n!/one\n",
    ),
    "escapes of letters in an ignore file": Case(
        "FROM scratch\nCOPY . /a/\n", ignore="\\a.txt\n\\*\n", differs="Regular expressions in .dockerignore"
    ),
    "repetitions in an ignore file": Case(
        "FROM scratch\nCOPY . /a/\n", ignore="a?{4}\n", differs="Regular expressions in .dockerignore"
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
    "what onbuild keeps": Case(
        "FROM bb\nONBUILD LABEL a=b \t\nCMD x\nONBUILD  COPY <<-'E' /x \n\ta $A\n\tE\nonbuild ENV a=1 \\\n  b=2  \n"
    ),
    "patterns with escapes": Case(
        "FROM bb\nARG E= V=foobarfoo P=a/b}c*d\nLABEL a=${V//*/x} b=${V//o*/-} c=${P%%\\/*} d=${P#a\\/} e=${P%\\}*} "
        "f=${P//\\*/x} g=${E//*/x} h=${V//a*o/y} i=${E/*/x} j=${V//?/x} k=${P#*\\*}\n"
    ),
    "names of arguments": Case(
        "FROM bb\nARG V=1 'K'=2 $V=3 \"L\" ${V}x\nLABEL a=$K b=$L c=$V\n", args={"'K'": "given"}
    ),
    "odd ports and signals": Case(
        "FROM bb\nEXPOSE 80 80-82 ::80 8000-8010:80 +81 [::1]:70:80/UDP\nSTOPSIGNAL 65\nSTOPSIGNAL +9\n"
    ),
    "odd health checks": Case(
        "FROM bb\nHEALTHCHECK --timeout=+2s --retries=+2 CMD\ta b\nHEALTHCHECK --interval=x --interval=y NONE\n"
    ),
    "odd names of heredocs": Case(
        "FROM bb\nARG V=1\nCOPY <<a*b <<[x] <<E <<E /o/\n1\na*b\n2\n[x]\n3\nE\n4\nE\nCOPY <<\\E <<a'b' <<-\"c\" /d/\n$V\nE\n$V\nab\n\t$V\n\tc\nCOPY <<$V 0<<x.y /e/\n$V\n$V\nx.y\n"
    ),
    "dollars in a replacement": Case(
        "FROM bb\nARG V=a.b D=$x\nLABEL a=${V//./$D} b=${V/./$D}\n",
        args={"D": "$x"},
        differs="Dollars in a replacement",
    ),
    "blanks in volumes": Case('FROM bb\nVOLUME [" /a ", "\\t/b"]\n'),
    "onbuild of a stage": Case(
        "FROM bb AS one\nONBUILD COPY a.txt /t/\nONBUILD ENV T=$A\nENV A=1\nFROM one AS two\nLABEL x=$T\nFROM two\nLABEL y=$T\n"
    ),
    "onbuild of a base": Case("FROM onbuild AS x\nLABEL l=$ONB\nFROM x\nCOPY b.txt .\n"),
    "several platforms": Case(
        "FROM bb\nARG TARGETARCH\nCOPY out/${TARGETARCH}/app /bin/\nCOPY dir /d\n",
        platforms=("linux/amd64", "linux/arm64", "linux/arm/v7"),
    ),
    "a named platform": Case("FROM --platform=linux/arm/v7 bb\nCOPY a.txt /\n", platforms=("linux/arm/v7",)),
    "the platform of the builder": Case(
        "FROM --platform=$BUILDPLATFORM bb AS b\nARG TARGETARCH BUILDARCH\nCOPY a.txt /made-on-$BUILDARCH-for-$TARGETARCH\nFROM bb\nCOPY --from=b /made* /\n",
        platforms=("linux/arm64", "linux/amd64"),
    ),
    "scratch on platforms": Case(
        "FROM scratch\nCOPY a.txt /\n", platforms=("linux/arm64", "linux/arm/v7", "linux/arm/v6")
    ),
    "everything of a base": Case("FROM scratch\nCOPY --from=rich / /\n"),
    "nothing on top": Case("FROM rich\n"),
    # Odd ends
    "retries that history prints as characters": Case(
        "FROM bb\nHEALTHCHECK --retries=39 CMD x\nHEALTHCHECK --retries=200 --interval=0s CMD x\n"
        "HEALTHCHECK --timeout=1ms CMD x\n"
    ),
    "large owners": Case("FROM bb\nCOPY --chown=4000000:2000000000 a.txt /a/\nUSER 3000000:70000\nWORKDIR /u\n"),
    "an empty folder": Case("FROM bb\nCOPY dir/empty /e\nCOPY dir/empty /tmp/e/\n"),
    "pipes and devices": Case(
        "FROM bb AS a\nCOPY special /s\nADD odd.tar /o/\nFROM scratch\nCOPY --from=a /o /s /p/\n"
    ),
    "an archive over links": Case("FROM bb\nADD links.tar /\n", differs="Archives over links"),
    "variants of platforms": Case(
        "FROM bb\nARG TARGETPLATFORM TARGETVARIANT TARGETARCH\n"
        "LABEL a=$TARGETPLATFORM.$TARGETVARIANT.$TARGETARCH\n",
        platforms=("linux/arm64/v8", "linux/arm", "linux/amd64"),
        differs="Variant v8 of arm64",
    ),
    "a lower variant below": Case(
        "FROM v6\nCOPY a.txt /\n", platforms=("linux/arm/v7",), differs="A base without history"
    ),
    "an author below": Case(
        "FROM v6\nMAINTAINER You\n", platforms=("linux/arm/v6",), differs="A base without history"
    ),
    "odd json": Case('FROM bb\nCMD ["\\ud800", "\\u0000x", "\\ud83d\\ude00"]\nENTRYPOINT\t[ "x" , "y" ]  \n'),
    "quotes": Case(
        'FROM bb\nENV A=\'it\'\'s\' B="a\'b" C=a"b c"d E=\'a\\b\' F="a\\\\b\\q" G=a\\\\b H="\\$A"\nLABEL x=$A y=$C\n'
    ),
    "the order of flags": Case(
        "FROM bb\nCOPY --chmod=600 --chown=5 --link=true a.txt /a\nCOPY --from=bb --chown=5 etc/passwd /q\n"
        "ADD --chmod=600 --chown=5 a.txt /z\nCOPY --link --exclude=x a.txt /k\n"
    ),
    "words of copy with variables": Case(
        'FROM bb\nARG D=dir S=\'with blank.txt\'\nCOPY $D/one ${D}/two.txt /$D/\nCOPY ["$S", "/x/"]\n'
        'COPY a.txt /a$NONE/\nCOPY a.txt "/q"\n'
    ),
    "cmd and entrypoint over stages": Case(
        'FROM bb AS a\nENTRYPOINT ["x"]\nCMD ["c"]\nFROM a AS b\nENTRYPOINT ["y"]\nFROM b\nCMD ["d"]\nENTRYPOINT ["q"]\n'
    ),
    "onbuild of two stages": Case(
        "FROM bb AS a\nONBUILD WORKDIR /o\nFROM a AS b\nONBUILD USER 5\nFROM b\nCOPY a.txt .\n"
    ),
    "a dot as source": Case(
        "FROM bb\nCOPY docs/. /a/.\nCOPY a.txt /b/.\nCOPY ./ /c/\n", ignore="*\n!a.txt\n!docs\n"
    ),
    "globs that match folders": Case("FROM bb\nCOPY d* /a/\nCOPY */f /b/\nCOPY o[tu]t /c/\n", ignore="dangling\n"),
    "users in quotes": Case('FROM bb\nUSER "www"\nUSER www:\nUSER :web\nWORKDIR "/q q"\n'),
    "signals": Case('FROM bb\nSTOPSIGNAL sigterm\nSTOPSIGNAL SIGRTMAX-2\nSTOPSIGNAL 64\nSTOPSIGNAL "SIGINT"\n'),
    "the last of a name": Case("FROM bb\nENV A=1 A=2 B=$A\nENV PATH=/x\nLABEL A=1 A=2\nVOLUME /b/../c /c /c\n"),
    "an archive among folders": Case("FROM bb\nADD one two /d/\nADD t.tar.gz no.tar.gz one /e/\n"),
    "links as sources": Case("FROM bb\nCOPY to-dir to-file /l/\nCOPY --link to-file /m\n"),
    "modes in more symbols": Case(
        "FROM bb\nCOPY --chmod=u=rwx,g=rx,o= dir /a/b\nCOPY --chmod=a=r,u+w dir/sub /c\nCOPY --chmod=-x run.sh /d\n"
        "COPY --chmod=+X dir run.sh b.txt /e/\nCOPY --chmod=o+t,g+s dir /f\nCOPY --chmod=g+t,u=s setuid /g\n"
        "COPY --chmod=o+s,u-s setuid /h\nCOPY --chmod=+t,=rx setuid dir /i/\nCOPY --chmod=g=u,u+t setuid /j\n"
        "COPY --chmod=a+s,o=g run.sh /k\nCOPY --chmod=u=rws,a-t dir/empty dir/sub /l/\n"
    ),
    "modes of folders on the way": Case(
        "FROM bb\nCOPY --chmod=700 <<EOF /q/r/s\nx\nEOF\nADD <<a <<b /t/\n1\na\n2\nb\n"
        "COPY --chown=www <<z /home/www/y/z\nz\n"
    ),
    "an old file": Case("FROM bb\nCOPY --from=aged . /o/\nCOPY --from=aged f /tmp/\n", differs="Times"),
    "archives with links of other modes": Case(
        "FROM bb\nADD more/hard.tar /a/\nADD --chown=5 more/hard.tar /b/\nADD more/behind.tar.gz /c/\n"
    ),
    "archives and files into a new folder": Case(
        "FROM bb\nADD --chmod=700 t.tar a.txt /a/\nADD --chmod=700 a.txt t.tar /b/\n"
        "ADD --chmod=700 t.tar more/hard.tar /c/d/\nADD --keep-git-dir a.txt /e/\n"
    ),
    "two stages of one name": Case(
        "FROM scratch AS x\nCOPY a.txt /a\nFROM x AS x\nCOPY b.txt /b\nFROM x AS Y\nCOPY --from=X /b /c\n"
        "COPY --from=+0 /a /d\nFROM y AS y\nCOPY --from=01 /a /e\n"
    ),
    "a context in the place of a stage": Case(
        "FROM nowhere.invalid/x AS extra\nRUN false\nFROM nowhere.invalid/y AS rich\nRUN false\n"
        "FROM rich\nCOPY --from=extra e.txt /e\nCOPY --from=1 /etc/passwd /p\nCOPY --from=docker.io/library/bb:latest /etc/group /g\n",
        differs="Images in the place of a stage",
    ),
    "a context as target": Case(
        "FROM nowhere.invalid/y AS rich\nRUN false\nFROM bb\n",
        target="rich",
        differs="Images in the place of a stage",
    ),
    "an image of several platforms as context": Case(
        "FROM scratch\nCOPY --from=bb /etc/passwd /bin/busybox /\n", platforms=("linux/amd64", "linux/arm64")
    ),
    "a socket": Case("FROM bb\nCOPY --from=odd . /o/\n", differs="Sockets"),
    "a mark in a class": Case("FROM bb\nCOPY --from=odd [*]mark /o/\n", differs="Patterns that bring nothing"),
    "a file once more": Case(
        "FROM bb\nCOPY a.txt /x\nCOPY a.txt b.txt /\nCOPY a.txt /x\nCOPY b.txt /x\n",
        differs="Files that are there already",
    ),
}

NEITHER: dict[str, Case] = {
    "a heredoc that is a directory": Case("FROM bb\nCOPY <<.. /x\na\n..\n"),
    "a heredoc in a directory": Case("FROM bb\nCOPY <<a/b /x\na\na/b\n"),
    "an escape of nothing in a pattern": Case("FROM bb\nLABEL a=${A#\\x}\n"),
    "ranges of ports that do not fit": Case("FROM bb\nEXPOSE 80:81-82\n"),
    "a heredoc whose quote has no end": Case('FROM bb\nCOPY <<E" /x\nE"\n'),
    "a trigger without an equals sign": Case("FROM bb\nONBUILD ENV a=b c\n"),
    "the last stage of a name further down": Case(
        "FROM bb AS x\nFROM bb AS y\nCOPY --from=x /etc /e\nFROM bb AS x\nFROM y\n"
    ),
    "the name of the stage itself": Case("FROM bb AS x\nFROM bb AS x\nCOPY --from=x /etc /e\n"),
    "a stage in capitals": Case("FROM bb AS Base\nFROM Base AS Base\n"),
    "words in quotes that do not end": Case('FROM bb\nVOLUME "a b"\n'),
    "a continuation of nothing": Case("FROM bb\n\\\n\n"),
    "a comment behind an instruction": Case("FROM bb\nENV a=b # c\n"),
    "a user without accounts": Case("FROM scratch\nUSER app\nWORKDIR /w\n"),
    "an owner without accounts": Case("FROM scratch\nCOPY --chown=app a.txt /a\n"),
    "a link that leads nowhere": Case("FROM bb\nCOPY dangling /f\n"),
    "a link that leads out": Case("FROM bb\nCOPY dir/abs /f\n"),
    "what is not there": Case("FROM bb\nCOPY nothing /f\n"),
    "what is ignored": Case("FROM bb\nCOPY dir /f\n", ignore="dir\n"),
    "a path below a file": Case("FROM bb\nCOPY a.txt /f\nCOPY a.txt /f/g\n"),
    "a folder in a file's place": Case("FROM bb\nCOPY a.txt /f\nCOPY dir /f\n"),
    "a folder in an inner file's place": Case("FROM bb\nCOPY a.txt /d/sub\nCOPY dir /d\n"),
    "a workdir at a file": Case("FROM bb\nCOPY a.txt /f\nWORKDIR /f\n"),
    "no paths": Case("FROM bb\nVOLUME [ ]\n"),
    "a stage further down": Case("FROM bb\nCOPY --from=later /a /b\nFROM bb AS later\n", target="0"),
    "a variable in --from": Case("FROM bb AS x\nFROM bb\nARG S=x\nCOPY --from=$S /etc /e\n"),
    "a value that must be": Case("FROM bb\nLABEL a=${N:?is needed}\n"),
    "a mode that is none": Case("FROM bb\nCOPY --chmod=99 a.txt /a\n"),
    "a signal that is none": Case("FROM bb\nSTOPSIGNAL SIGNO\n"),
    "a port that is none": Case("FROM bb\nEXPOSE 70000\n"),
    "an unknown instruction": Case("FROM bb\nCOYP a b\n"),
    "an unknown flag": Case("FROM bb\nCOPY --chwon=1 a.txt /\n"),
    "a heredoc without end": Case("FROM bb\nCOPY <<EOF /x\na\n"),
    "an empty base": Case("ARG B\nFROM $B\n"),
    "a trigger in a trigger": Case("FROM bb\nONBUILD ONBUILD ENV a=b\n"),
    "a duration too short": Case("FROM bb\nHEALTHCHECK --interval=1us CMD x\n"),
    "shell without json": Case("FROM bb\nSHELL /bin/sh -c\n"),
    "numbers in json": Case("FROM bb\nCMD [1]\n"),
    "nothing before FROM": Case("LABEL a=b\nFROM bb\n"),
    "a target that is not there": Case("FROM bb\n", target="nosuch"),
}

BUILDKIT_ALONE: dict[str, Case] = {
    "a trigger that is no instruction": Case("FROM bb\nONBUILD COYP a b\n", differs="Triggers that cannot be"),
    "a trigger that lacks a word": Case("FROM bb\nONBUILD COPY a\n", differs="Triggers that cannot be"),
    "an empty name": Case("FROM bb\nLABEL $NONE=a\n", differs="Names that come to nothing"),
    "an empty variable": Case("FROM bb\nENV $NONE=a\n", differs="Names that come to nothing"),
    "a deletion in an archive": Case("FROM bb\nADD more/whiteout.tar /a/\n", differs="Names of deletions"),
    "an archive that leads out": Case("FROM bb\nADD more/up.tar /a/\n", differs="Archives that lead out"),
    "a folder below": Case("FROM extra\n", differs="A folder as base"),
    "an owner without a number": Case(
        "FROM scratch\nCOPY <<passwd /etc/\napp:x:a:1::/:\napp:x:1:1::/:\npasswd\nCOPY --chown=app a.txt /a\n",
        differs="Names without an account",
    ),
    "an owner that is not there": Case(
        "FROM bb\nCOPY --chown=nosuch a.txt /a\n", differs="Names without an account"
    ),
    "a group that is not there": Case(
        "FROM bb\nCOPY --chown=www:nosuch a.txt /a\n", differs="Names without an account"
    ),
    "a user that is not there": Case("FROM bb\nUSER nosuch\nWORKDIR /w\n", differs="Names without an account"),
    "several files to one path": Case("FROM bb\nCOPY a.txt b.txt /x\n", differs="Several files to one path"),
    "no match": Case("FROM bb\nCOPY *.nothing /x/\n", differs="Wildcards without a match"),
    "a base of another platform": Case("FROM --platform=linux/arm/v7 bb\n", differs="A base of another platform"),
}

OURS_ALONE: dict[str, Case] = {
    "a name with an exclamation mark": Case(
        "FROM bb\nCOPY --from=odd !mark /m\n", differs="Names that are not brought"
    ),
    "braces beside a wildcard": Case("FROM bb\nCOPY --from=odd b{2}/* /m/\n", differs="Names that are not brought"),
    "a link behind a wildcard": Case(
        "FROM bb\nCOPY --from=odd b*/link /m/\n", differs="Names that are not brought"
    ),
    "an archive through a link": Case(
        "FROM bb\nADD more/nowhere.tar /a/\n", differs="Archives through links that lead nowhere"
    ),
    "a dot at the end": Case("FROM bb\nCOPY --parents dir/sub/./. /m/\n", differs="A dot at the end of --parents"),
    "an escaped mark": Case("FROM bb\nCOPY --from=odd \\\\*mark /m\n", differs="Names that are not brought"),
    "the number of a stage": Case(
        "FROM bb\nLABEL a=1\nFROM scratch\nLABEL b=1\n", target="0", differs="Numbers of stages"
    ),
    "a link that leads nowhere among others": Case(
        "FROM bb\nCOPY --exclude=dir . /a/\n", differs="Links that lead nowhere under --exclude"
    ),
    "a name in a layer of its own": Case(
        "FROM bb\nCOPY --link --chown=www a.txt /a\n", differs="Names under --link"
    ),
}
