import sys

import pytest

from ocitool.errors import MalformedDocument, UsageError
from ocitool.registry.hostsconfig import Endpoint, Redirections, find_trust, read_redirections


@pytest.fixture
def certs(tmp_path):
    """A folder of certs.d for a host, and the environment that leads there."""

    def make(host, *names):
        place = tmp_path / ".config/containers/certs.d" / host
        place.mkdir(parents=True)
        for name in names:
            (place / name).write_text(name)
        return place

    return make


def test_certificates_of_a_host(certs, tmp_path):
    place = certs("reg.test:5000", "ca.crt", "client.cert", "client.key", "README")

    trust = find_trust("reg.test:5000", {"HOME": str(tmp_path)})

    assert (place / "ca.crt",) == trust.ca_files
    assert (place / "client.cert", place / "client.key") == trust.client
    assert find_trust("reg.test", {"HOME": str(tmp_path)}) is None


@pytest.mark.parametrize("name", ["client.cert", "client.key"])
def test_half_a_client_certificate_is_an_error(certs, tmp_path, name):
    certs("reg.test", name)

    with pytest.raises(UsageError, match="client"):
        find_trust("reg.test", {"HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# unqualified-search-registries = []\n#[[registry]]\n", 0),
        ('[aliases]\n"registry" = "docker.io/library/registry"\n', 0),
        ('[aliases]\na = "b/c"\n  [[registry]]\nlocation = "a.test"\n', 1),
        ('[[ "registry" ]]\nlocation = "a.test"\n', 1),
        ('registry = [{location = "a.test"}]\n[aliases]\n', 1),
    ],
)
def test_registries_are_found_however_they_are_written(tmp_path, text, found):
    (tmp_path / "r.conf").write_text(text)

    assert found == len(read_redirections({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "r.conf")}).tables)


@pytest.mark.parametrize("head", ["[registry]]", "[ [registry]]", "[[registry]", "[[registry"])
def test_a_registry_that_is_misspelt_is_an_error(tmp_path, head):
    """Not passed over: it may block a name."""
    (tmp_path / "r.conf").write_text(f'[aliases]\n{head}\nprefix = "a.test"\nblocked = true\n')

    with pytest.raises(MalformedDocument, match="is not TOML"):
        read_redirections({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "r.conf")})


def test_what_distributions_ship_is_not_parsed(tmp_path, monkeypatch):
    """The parser is loaded where a table of a registry can be."""
    monkeypatch.setitem(sys.modules, "ocitool.model.toml", None)

    test_registries_are_found_however_they_are_written(tmp_path, "# nothing\n\n[aliases]\na = 1\n", 0)


def test_the_hub_is_found_by_any_of_its_names(certs, tmp_path):
    certs("docker.io", "ca.crt")

    assert find_trust("registry-1.docker.io", {"HOME": str(tmp_path)}) is not None


TABLES = Redirections(
    (
        {"prefix": "docker.io", "mirror": [{"location": "mirror.test/hub", "insecure": True}]},
        {"prefix": "reg.test/team", "location": "new.test/moved"},
        {"prefix": "reg.test/team/secret", "blocked": True},
        {"prefix": "*.corp.test", "mirror": [{"location": "cache.test"}]},
        {
            "location": "both.test",
            "mirror": [
                {"location": "a.test", "pull-from-mirror": "digest-only"},
                {"location": "b.test", "pull-from-mirror": "tag-only"},
            ],
        },
        {"prefix": "pinned.test", "mirror-by-digest-only": True, "mirror": [{"location": "c.test"}]},
    )
)


@pytest.mark.parametrize(
    ("registry", "repository", "places"),
    [
        ("other.test", "app", [Endpoint("other.test", "app")]),
        (
            "docker.io",
            "library/bash",
            [Endpoint("mirror.test", "hub/library/bash", True), Endpoint("docker.io", "library/bash")],
        ),
        ("reg.test", "team/x", [Endpoint("new.test", "moved/x")]),
        ("reg.test", "teams/x", [Endpoint("reg.test", "teams/x")]),
        ("a.corp.test", "x/y", [Endpoint("cache.test", "x/y"), Endpoint("a.corp.test", "x/y")]),
        (
            "both.test",
            "x",
            [
                Endpoint("a.test", "x", by_tag=False),
                Endpoint("b.test", "x", by_digest=False),
                Endpoint("both.test", "x"),
            ],
        ),
        ("pinned.test", "x", [Endpoint("c.test", "x", by_tag=False), Endpoint("pinned.test", "x")]),
    ],
)
def test_where_a_repository_is_read(registry, repository, places):
    """The longest prefix on "/" borders decides; mirrors come in order, the place itself last."""
    assert places == list(TABLES.places(registry, repository))


def test_what_is_blocked_is_not_read():
    with pytest.raises(UsageError, match="blocked"):
        TABLES.places("reg.test", "team/secret/x")


def test_drop_ins_replace_tables_of_the_same_prefix(tmp_path):
    folder = tmp_path / "containers"
    (folder / "registries.conf.d").mkdir(parents=True)
    (folder / "registries.conf").write_text('[[registry]]\nprefix="a.test"\nlocation="old.test"\n')
    (folder / "registries.conf.d" / "1.conf").write_text('[[registry]]\nprefix="a.test"\nlocation="new.test"\n')

    found = read_redirections({"XDG_CONFIG_HOME": str(tmp_path)})

    assert (Endpoint("new.test", "x"),) == found.places("a.test", "x")


def test_a_file_that_is_not_toml_is_named(tmp_path):
    (tmp_path / "r.conf").write_text("[[registry")

    with pytest.raises(MalformedDocument, match=r"r\.conf"):
        read_redirections({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "r.conf")})


def test_a_mirror_that_names_a_host_alone_is_refused_for_the_repository_that_it_stands_for(tmp_path):
    (tmp_path / "r.conf").write_text('[[registry]]\nprefix = "a.test/x"\nlocation = "b.test"\n')
    found = read_redirections({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "r.conf")})

    assert (Endpoint("b.test", "y"),) == found.places("a.test", "x/y")
    with pytest.raises(UsageError, match=r"sends a\.test/x to 'b\.test', which names no repository"):
        found.places("a.test", "x")
