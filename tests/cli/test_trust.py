"""Keys and policies where images are used: nothing is copied, built upon or repaired from that is not trusted."""

import json

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.busybox import put_busybox
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward


@pytest.fixture
def key(run, tmp_path):
    """`key("a")` makes `a.key`, which is not encrypted, and `a.pub`; gives the name without an ending."""

    def make(name):
        done = run("key", "generate", "-o", tmp_path / name, "--unencrypted", "--type", "ed25519")
        assert 0 == done.exit_code, done.stderr
        return tmp_path / name

    return make


@pytest.fixture
def a(key):
    return key("a")


@pytest.fixture
def layout(tmp_path):
    """A layout whose tag `1` holds an index of two images."""
    ward = Ward(LayoutStore(tmp_path / "layout", create=True))
    ward.index(ward.image("linux/arm64"), ward.image())
    return ward.store


@pytest.fixture
def place(layout, tmp_path):
    return f"oci:{tmp_path / 'layout'}:1"


@pytest.fixture
def policy(tmp_path):
    """`policy("…")`: a policy file of these rules."""

    def write(text, head="version = 1\n"):
        file = tmp_path / "policy.toml"
        file.write_text(head + text)
        return file

    return write


class TestCopy:
    def test_what_is_signed_is_copied(self, run, place, a, tmp_path, layout):
        assert 0 == run("sign", place, "--key", f"{a}.key").exit_code

        done = run("copy", place, f"oci:{tmp_path}/to:1", "--verify-key", f"{a}.pub")

        assert 0 == done.exit_code, done.stderr
        assert layout.head("1").digest == LayoutStore(tmp_path / "to").head("1").digest

    @pytest.mark.parametrize("flags", [(), ("--all-tags",)])
    def test_what_is_not_is_refused_before_anything_is_written(self, run, place, key, a, tmp_path, flags):
        b = key("b")
        assert 0 == run("sign", place, "--key", f"{b}.key").exit_code
        places = (place.removesuffix(":1"), f"oci:{tmp_path}/to") if flags else (place, f"oci:{tmp_path}/to:1")

        done = run("copy", *places, "--verify-key", f"{a}.pub", *flags)

        assert 1 == done.exit_code
        assert "no given key made it" in done.stderr
        assert not (tmp_path / "to").exists()

    @pytest.mark.parametrize("referrers", [True, False], ids=["referrers API", "fallback tag"])
    def test_all_tags_come_with_their_signatures(self, run, a, tmp_path, referrers):
        """Tags of signatures are no images that somebody has to have signed; those of other images stay."""
        with fake_registry(referrers=referrers) as registry, Opener(Access(), Scope()) as opener:
            ward = Ward(opener.open(f"{registry.host}/app", write=True)[0])
            ward.index(ward.image("linux/arm64"), ward.image())
            ward.image(layers=[b"two"], tag="2")
            for tag in ("1", "2"):
                signed = run(
                    "sign", f"{registry.host}/app:{tag}", "--key", f"{a}.key", "--form", "both", "--recursive"
                )
                assert 0 == signed.exit_code, signed.stderr
            orphan = f"sha256-{'0' * 64}"
            ward.image(layers=[b"other"], tag=f"{orphan}.sig")
            ward.image(layers=[b"none"], tag=orphan)
            words = ("copy", "--all-tags", f"{registry.host}/app", f"oci:{tmp_path}/to", "--verify-key", f"{a}.pub")

            done = run(*words)

        assert 0 == done.exit_code, done.stderr
        assert f"stay behind (2): {orphan}, {orphan}.sig" in done.stderr
        copied = LayoutStore(tmp_path / "to")
        assert {"1", "2"} == {tag for tag in copied.tags() if not tag.startswith("sha256-")}
        assert copied.head(orphan) is None
        for tag in ("1", "2"):
            checked = run("verify", f"oci:{tmp_path}/to:{tag}", "--key", f"{a}.pub", "--recursive")
            assert 0 == checked.exit_code, checked.stderr

    def test_one_of_several_keys_is_enough(self, run, place, key, a, tmp_path):
        b = key("b")
        assert 0 == run("sign", place, "--key", f"{b}.key").exit_code

        done = run("copy", place, f"oci:{tmp_path}/to:1", "--verify-key", f"{a}.pub", "--verify-key", f"{b}.pub")

        assert 0 == done.exit_code, done.stderr

    def test_a_mirror_is_signed_for_what_it_mirrors(self, run, registry, app, name, a, tmp_path):
        app.image(tag="1")
        mirror = f"{registry.host}/mirror:1"
        assert 0 == run("sign", name, "--key", f"{a}.key").exit_code
        assert 0 == run("copy", name, mirror, "--referrers").exit_code
        words = ("copy", mirror, f"oci:{tmp_path}/to:1", "--verify-key", f"{a}.pub")

        refused, done = run(*words), run(*words, "--verify-identity", f"{registry.host}/app")

        assert (1, 0) == (refused.exit_code, done.exit_code), done.stderr
        assert f"it was made for {registry.host}/app" in refused.stderr

    def test_a_tag_is_resolved_once(self, run, registry, app, name, a, tmp_path):
        """Whoever moves the tag after it was verified moves nothing into the copy."""
        digest = app.index(app.image("linux/arm64"), app.image())["digest"]
        assert 0 == run("sign", name, "--key", f"{a}.key").exit_code
        registry.log.clear()

        done = run("copy", name, f"oci:{tmp_path}/to:1", "--verify-key", f"{a}.pub", "--referrers")

        assert 0 == done.exit_code, done.stderr
        assert digest == str(LayoutStore(tmp_path / "to").head("1").digest)
        by_tag = [request for request in registry.log if request.path.endswith("/manifests/1")]
        assert 1 == len(by_tag)

    def test_an_identity_alone_is_no_key(self, run, place, tmp_path):
        done = run("copy", place, f"oci:{tmp_path}/to:1", "--verify-identity", "x.test/y")

        assert (2, True) == (done.exit_code, "--verify-key FILE" in done.stderr)


class TestBuild:
    @pytest.fixture
    def base(self, home, run, monkeypatch):
        """`base("…")` builds upon the layout `base`, by a Dockerfile or by --base."""
        monkeypatch.chdir(home)
        put_busybox(LayoutStore(home / "base", create=True), "1")
        (home / "hello").write_text("hello")

        def call(how, *flags):
            words = ("--base", "oci:base:1", "--toolchain", "prebuilt", "--copy", "hello:/")
            if how != "--base":
                (home / "Dockerfile").write_text(
                    "FROM bb\n" if how == "FROM" else "FROM scratch\nCOPY --from=bb / /\n"
                )
                words = ("--build-context", "bb=oci-layout://base:1")
            return run("build", ".", "--platform", "linux/amd64", "-o", "oci:img:1", *words, *flags)

        return call

    @pytest.mark.parametrize("how", ["--base", "FROM", "COPY"])
    def test_upon_what_is_not_signed_is_refused(self, run, base, a, home, how):
        refused = base(how, "--verify-key", f"{a}.pub")
        there = (home / "img").exists()
        assert 0 == run("sign", "oci:base:1", "--key", f"{a}.key").exit_code
        done = base(how, "--verify-key", f"{a}.pub")

        assert (1, False) == (refused.exit_code, there)
        assert "has no signature" in refused.stderr
        assert 0 == done.exit_code, done.stderr

    @pytest.mark.parametrize("how", ["--base", "FROM"])
    def test_obeys_what_the_spec_file_names(self, run, base, a, home, how):
        (home / "ocitool.toml").write_text('[trust]\npolicy = "trust/policy.toml"\n')
        (home / "trust").mkdir()
        (home / "trust" / "key.pub").write_bytes((a.parent / "a.pub").read_bytes())
        (home / "trust" / "policy.toml").write_text(
            'version = 1\n[[rule]]\nrepository = "oci:*"\nkeys = ["key.pub"]\n'
        )

        refused = base(how)
        assert 0 == run("sign", "oci:base:1", "--key", f"{a}.key").exit_code

        assert (1, 0) == (refused.exit_code, base(how).exit_code)


class TestRepair:
    def test_a_source_is_verified(self, run, app, name, kept, tmp_path, a):
        child = kept.image()
        kept.index(child, kept.image("linux/arm64"))
        source = f"oci:{tmp_path}/kept:1"
        assert 0 == run("copy", source, name).exit_code
        app.store.delete(child["digest"])
        words = ("repair", name, "--apply", "--source", source, "--verify-key", f"{a}.pub")

        refused = run(*words)
        lost = app.store.head(child["digest"])
        assert 0 == run("sign", source, "--key", f"{a}.key").exit_code
        done = run(*words)

        assert (1, None, 0) == (refused.exit_code, lost, done.exit_code), done.stderr
        assert "has no signature" in refused.stderr
        assert app.store.head(child["digest"]) is not None


class TestPolicy:
    def test_the_first_rule_decides(self, run, app, registry, name, a, policy, tmp_path):
        app.image(tag="1")
        file = policy(
            f'[[rule]]\nrepository = "{registry.host}/free*"\naccept = true\n'
            f'[[rule]]\nrepository = ["x.test/*", "{registry.host}/app"]\nkeys = ["a.pub"]\n'
            '[[rule]]\nrepository = "*"\naccept = true\n'
        )

        unsigned = run("verify", name, "--policy", file)
        assert 0 == run("sign", name, "--key", f"{a}.key").exit_code
        signed = run("verify", name, "--policy", file)
        assert 0 == run("copy", name, f"{registry.host}/free:1", "--policy", file).exit_code
        free = run("verify", f"{registry.host}/free:1", "--policy", file)

        assert (1, 0, 0) == (unsigned.exit_code, signed.exit_code, free.exit_code), signed.stderr
        assert f"signed with {tmp_path / 'a.pub'}" in signed.stderr
        assert "asks for nothing" in free.stderr

    @pytest.mark.parametrize(
        "pattern", ["localhost:{port}/*", "LocalHost:{port}/*", "localhost:{port}/app", "*:{port}/app"]
    )
    @pytest.mark.parametrize("name", ["localhost:{port}/app:1", "LOCALHOST:{port}/app:1"])
    def test_a_name_has_many_spellings_and_one_rule(self, run, app, registry, a, policy, pattern, name):
        """Hosts have no case, and a rule cannot be got round by one."""
        app.image(tag="1")
        port = registry.host.partition(":")[2]
        rule = f'[[rule]]\nrepository = "{pattern.replace("{port}", port)}"\nkeys = ["a.pub"]\n'
        place = name.replace("{port}", port)
        file = policy(f'default = "accept"\n{rule}')

        refused = run("verify", place, "--policy", file)
        assert 0 == run("sign", f"localhost:{port}/app:1", "--key", f"{a}.key").exit_code
        done = run("verify", place, "--policy", file)

        assert (1, 0) == (refused.exit_code, done.exit_code), refused.stderr + done.stderr
        assert "it has no signature" in refused.stderr

    @pytest.mark.parametrize("way", ["good/../layout", "./good/.././layout", "{tmp}/good/../layout"])
    def test_a_path_that_leads_elsewhere_is_no_way_round(self, run, place, policy, tmp_path, monkeypatch, way):
        (tmp_path / "good").mkdir()
        monkeypatch.chdir(tmp_path)
        path = way.replace("{tmp}", str(tmp_path))
        rules = f'[[rule]]\nrepository = ["oci:good/*", "oci:{tmp_path}/good/*"]\naccept = true\n'

        done = run("verify", f"oci:{path}:1", "--policy", policy(rules))

        assert (1, True) == (done.exit_code, "no rule of" in done.stderr), done.stderr

    def test_a_rule_for_a_folder_is_for_every_way_into_it(self, run, place, a, policy, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        file = policy(f'default = "accept"\n[[rule]]\nrepository = "oci:{tmp_path}/*"\nkeys = ["a.pub"]\n')

        for path in ("layout", "./layout", f"../{tmp_path.name}/layout", f"{tmp_path}/./layout"):
            assert 1 == run("verify", f"oci:{path}:1", "--policy", file).exit_code

    def test_what_no_rule_is_for_is_refused(self, run, place, policy):
        refused = run("verify", place, "--policy", policy('[[rule]]\nrepository = "x.test/*"\naccept = true\n'))
        accepted = run("verify", place, "--policy", policy('default = "accept"\n'))

        assert (1, 0) == (refused.exit_code, accepted.exit_code)
        assert "no rule of" in refused.stderr

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('[[rule]]\nrepository = "*"\nkeys = ["a.pub"]\nthreshold = 2\n', "line 5: rule[0].threshold is not"),
            ("strict = true\n", "strict is not understood"),
            ('[[rule]]\nrepository = "*"\n', "asks for nothing"),
            ("[[rule]]\naccept = true\n", "names no repository"),
            ('[[rule]]\nrepository = "*"\naccept = true\nkeys = ["a.pub"]\n', "asks for something too"),
            ('[[rule]]\nrepository = "*"\naccept = "yes"\n', "neither true nor false"),
            ('[[rule]]\nrepository = "*"\nkeys = [1]\n', "where a text belongs"),
            ('[[rule]]\nrepository = "*"\nattested = ["x:y"]\n', "asks for nothing"),
            ('[[rule]]\nrepository = "*"\nkeys = "a.pub"\nattested = ["sbon"]\n', "asks for 'sbon'"),
            ('[[rule]]\nrepository = "*"\nattached = ["x"]\nidentity = "y"\n', "names no keys"),
            ('[[rule]]\nrepository = "*"\nkeys = "a.pub"\nannotations = "x"\n', "no table"),
            ('[[rule]]\nrepository = "team/*"\nkeys = ["a.pub"]\n', "names no registry"),
            ('[[rule]]\nrepository = "x.test/App/*"\nkeys = ["a.pub"]\n', "upper-case letters"),
            ('[[rule]]\nrepository = "x.test/App"\nkeys = ["a.pub"]\n', "is no repository"),
            ('[[rule]]\nrepository = "https://x.test/app"\nkeys = ["a.pub"]\n', "is no repository"),
            (
                (
                    '[[rule]]\nrepository = "x.test/*"\naccept = true\n'
                    '[[rule]]\nrepository = ["x.test/a/*", "X.test:443/b"]\nkeys = ["a.pub"]\n'
                ),
                "line 5: rule[1] is never reached",
            ),
            ('default = "warn"\n', "default is 'warn'"),
            ("rule = 1\n", "no list of tables"),
            ("rule = [1]\n", "is no table"),
        ],
    )
    @pytest.mark.parametrize("command", ["verify", "copy", "check", "build"])
    def test_what_is_not_understood_is_refused(self, run, place, a, policy, tmp_path, text, said, command):
        words = {"copy": (place, f"oci:{tmp_path}/to:1"), "build": (tmp_path,)}.get(command, (place,))

        done = run(command, *words, "--policy", policy(text))

        assert 9 == done.exit_code, done.stderr
        assert said in done.stderr
        assert not (tmp_path / "to").exists()

    @pytest.mark.parametrize("head", ["", "version = 2\n", 'version = "1"\n'])
    def test_another_version_is_refused(self, run, place, policy, head):
        done = run("verify", place, "--policy", policy("", head))

        assert (9, True) == (done.exit_code, "version 1 is understood" in done.stderr)

    def test_what_is_no_toml_is_refused(self, run, place, policy):
        assert 2 == run("verify", place, "--policy", policy("[[")).exit_code

    def test_a_key_that_is_not_there_is_told(self, run, place, policy):
        done = run("verify", place, "--policy", policy('[[rule]]\nrepository = "*"\nkeys = ["no.pub"]\n'))

        assert (10, True) == (done.exit_code, "no.pub" in done.stderr)

    @pytest.mark.parametrize("form", ["tag", "bundle"])
    def test_check_finds_what_is_refused(self, run, app, name, registry, a, policy, form):
        app.image(tag="1")
        file = policy('[[rule]]\nrepository = "*"\nkeys = ["a.pub"]\n')
        quiet = ("--select", "policy/*")

        refused = run("check", name, "--policy", file, *quiet, "--json")
        every = run("check", f"{registry.host}/app", "--all-tags", "--policy", file, *quiet, "--json")
        assert 0 == run("sign", name, "--key", f"{a}.key", "--form", form).exit_code
        done = run("check", name, "--policy", file, *quiet)

        for one in (refused, every):
            assert 1 == one.exit_code
            [finding] = json.loads(one.stdout)["data"]["findings"]
            assert ("policy/refused", "error", name) == (finding["rule"], finding["severity"], finding["where"])
        assert 0 == done.exit_code, done.stdout

    def test_ocitool_toml_names_it(self, run, place, a, policy, home, monkeypatch, tmp_path):
        policy('[[rule]]\nrepository = "oci:*"\nkeys = ["a.pub"]\n')
        (tmp_path / "ocitool.toml").write_text('[trust]\npolicy = "policy.toml"\n')
        monkeypatch.chdir(tmp_path)

        refused = [
            run("verify", place),
            run("copy", place, "oci:to:1"),
            run("check", place, "--select", "policy/*"),
            run("check", place, "--select", "policy/*", "--config", tmp_path / "ocitool.toml"),
        ]
        monkeypatch.chdir(home)
        elsewhere = run("copy", place, f"oci:{tmp_path}/to:1")

        assert [1] * 4 == [one.exit_code for one in refused], [one.stderr for one in refused]
        assert 0 == elsewhere.exit_code, elsewhere.stderr

    def test_a_policy_that_asks_for_an_attachment_alone_asks_for_no_signature(self, run, place, policy, home):
        (home / "report.txt").write_text("well")
        file = policy('[[rule]]\nrepository = "oci:*"\nattached = ["text/x-report"]\n')

        lacks = run("verify", place, "--policy", file)
        assert 0 == run("attach", place, home / "report.txt", "--artifact-type", "text/x-report").exit_code
        done = run("verify", place, "--policy", file)

        assert (1, True) == (lacks.exit_code, "text/x-report" in lacks.stderr), lacks.stderr
        assert (0, f"{place} is verified:\n  with text/x-report attached\n") == (done.exit_code, done.stderr)

    def test_keys_beside_a_policy_ask_for_more_than_it_does(self, run, place, a, policy, home):
        (home / "report.txt").write_text("well")
        words = ("--key", f"{a}.pub", "--policy", policy('[[rule]]\nrepository = "oci:*"\nattached = ["text/x"]\n'))
        assert 0 == run("attach", place, home / "report.txt", "--artifact-type", "text/x").exit_code

        unsigned = run("verify", place, *words)
        assert 0 == run("sign", place, "--key", f"{a}.key").exit_code
        done = run("verify", place, *words)
        lacking = run(
            "verify",
            place,
            *words[:2],
            "--policy",
            policy('[[rule]]\nrepository = "oci:*"\nattached = ["text/y"]\n'),
        )

        assert (1, 0, 1) == (unsigned.exit_code, done.exit_code, lacking.exit_code), done.stderr
        assert "it has no signature" in unsigned.stderr
        assert "text/y" in lacking.stderr

    def test_a_table_that_names_none_is_refused(self, run, place, home, monkeypatch):
        monkeypatch.chdir(home)
        (home / "ocitool.toml").write_text("[trust]\nrules = 1\n")

        assert 2 == run("copy", place, "oci:to:1").exit_code
