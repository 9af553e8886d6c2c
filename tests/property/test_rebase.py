"""Random Dockerfiles and projects on random bases: put onto another base they are what a build makes, or it is refused."""

import random

import pytest

from ocitool import Client
from ocitool.errors import OcitoolError, UsageError
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward, member, tar

SEEDS = (0, 1, 5, 33, 62, 68, 81, 98, 362, 615)
"""A few of thousands: most of these were wrong once."""
NAMES = ("A", "B", "PATH")
VALUES = ("1", "x y", "")
PLACES = ("etc", "opt", "srv", "lib", "usr/bin")
FOLDER = {"type": b"5"}


def base_of(dice):
    """The layers of a base and what its config says."""
    members = [
        member(place, b"", mode=dice.choice((0o755, 0o755, 0o700)), **FOLDER) for place in ("usr", "usr/bin")
    ]
    for place in ("etc", "opt", "srv", "lib"):
        match dice.randrange(5):
            case 0 | 1 | 2:
                members.append(member(place, b"", mode=dice.choice((0o755, 0o755, 0o750)), **FOLDER))
            case 3:
                members.append(member(place, b"", type=b"2", linkname=dice.choice(("usr/bin", "opt", "/usr"))))
    passwd = f"web:x:{dice.choice((7, 7, 8))}:7::/:/bin/sh\n".encode()
    layers = [tar(*members), tar(member("etc/passwd", passwd))][: dice.choice((1, 2, 2))]
    settings = {
        "Env": dice.sample(
            [f"PATH={dice.choice(('/usr/bin', '/bin'))}", "A=1", f"B={dice.choice(VALUES)}"], dice.randint(1, 3)
        ),
        "Cmd": ["sh"],
        "Entrypoint": [dice.choice(("/e", "/f"))],
        "User": dice.choice(("7", "")),
        "WorkingDir": dice.choice(("/", "", "/opt")),
        "Labels": dict(dice.sample([("a", "1"), ("b", dice.choice(VALUES)), ("c", "3")], dice.randint(1, 3))),
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/d": {}},
        "StopSignal": "SIGINT",
        "Shell": ["/bin/sh", "-c"],
        "OnBuild": [dice.choice(("LABEL o=1", "ENV O=$A"))],
    }
    settings = {key: settings[key] for key in dice.sample(list(settings), dice.randint(3, len(settings)))}
    return layers, settings, dice.choice((None, [{"created_by": "base", "created": "2026-01-01T00:00:00Z"}]))


def put(ward, base):
    layers, settings, history = base

    def says(tree):
        tree["config"] = settings
        if history is not None:
            tree["history"] = history * len(layers)

    ward.image(layers=layers, config=says, tag="1")


def line_of(dice):
    name, value, place = (
        dice.choice(NAMES),
        dice.choice(("1", "2", "$A", "${B:-x}", "/x:$PATH", "${B:+y}")),
        dice.choice(PLACES),
    )
    return dice.choice((
        f"ENV {name}={value}",
        f'LABEL {name.lower()}="{value}" c=3',
        f"COPY f /{place}/",
        f"COPY f {place}",
        f"COPY --chown={dice.choice(('web', '5'))} dir /{place}/",
        f"COPY --link dir /{place}/new",
        f"ADD f /new/{place}",
        f"WORKDIR {dice.choice(('/', ''))}{place}",
        f"USER {dice.choice(('web', '5', '$NONE 6'))}",
        f"EXPOSE {dice.choice(('80', '81 82/udp', '80-81'))}",
        f"VOLUME /{dice.choice('de')}",
        "CMD " + dice.choice(("x", "[]", '["sh"]')),
        "ENTRYPOINT " + dice.choice(("x", "[]", '["/e"]')),
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK NONE",
        'SHELL ["/bin/sh", "-c"]',
        "MAINTAINER me",
        f"ARG A={dice.choice('12')}",
        "ONBUILD RUN x",
    ))  # fmt: skip


def words_of(dice):
    """What a build is told."""
    labels = dict(dice.sample([("a", "1"), ("c", "3"), ("z", "1")], dice.randint(0, 2)))
    if dice.randrange(3):
        lines = [line_of(dice) for _ in range(dice.randint(0, 5))]
        if not dice.randrange(4):
            lines += ["FROM one", *(line_of(dice) for _ in range(dice.randint(0, 2)))]
        return "\n".join(["FROM BASE AS one", *lines, ""]), {"labels": labels}
    words = {
        "labels": labels,
        "copy": [f"f:/{dice.choice(PLACES)}/", f"dir:/{dice.choice(PLACES)}/new/"],
        "toolchain": "prebuilt",
        "extras": dice.choice(([], ["tmp"], ["passwd"])),
        "env": dict(dice.sample([("A", "1"), ("B", "x y"), ("C", "3")], dice.randint(0, 2))),
        "user": dice.choice((None, "7", "web")),
        "workdir": dice.choice((None, "/opt")),
        "entrypoint": dice.choice((None, ["/e"])),
        "cmd": dice.choice((None, ["sh"], ["x"])),
    }
    return "", words


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_what_a_build_makes_or_it_is_refused(seed, tmp_path, home, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(seed, tmp_path)


def check(seed, folder):
    """Whether it was rebased; None where the first build was refused."""
    dice = random.Random(seed)
    (folder / "dir").mkdir(exist_ok=True)
    for name in ("f", "dir/g"):
        (folder / name).write_text("x")
    with fake_registry() as registry, Opener(Access(), Scope()) as opener, Client() as client:
        ward = Ward(opener.open(f"{registry.host}/base", write=True)[0])
        old, new = base_of(dice), base_of(dice)
        if dice.randrange(2):  # alike but for a few settings
            new = (
                new[0] if dice.randrange(2) else old[0],
                {**old[1], **dict(dice.sample(list(new[1].items()), 2))},
                new[2],
            )
        text, words = words_of(dice)
        if text:
            (folder / "Dockerfile").write_text(text.replace("BASE", f"{registry.host}/base:1"))
            words |= {"dockerfile": folder / "Dockerfile"}
        else:
            words |= {"base": f"{registry.host}/base:1"}

        def build(tag):
            built = client.build(folder, family="oci", **words)
            client.push(built, f"oci:{folder}/app:{tag}")

        put(ward, old)
        try:
            build("1")
        except OcitoolError:
            return None
        put(ward, new)
        try:
            client.apply(client.plan_rebase(f"oci:{folder}/app:1"))
        except UsageError as error:
            if not error.what.startswith("the build asked the old base"):
                raise
            return False
        build("2")
        store = LayoutStore(folder / "app")
        assert store.get_manifest("2").raw == store.get_manifest("1").raw, text or words
        return True
