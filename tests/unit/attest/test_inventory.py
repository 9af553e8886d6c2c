"""Which packages are found in an image, and what is said of what cannot be read."""

import hashlib
import json
import sqlite3
import struct
import tarfile
import tracemalloc
import zlib

import pytest

from ocitool.attest.cyclonedx import compose_cyclonedx
from ocitool.attest.distributions import read_dpkg, read_rpm, read_rpm_header
from ocitool.attest.package import Distribution, FoundPackage
from ocitool.attest.spdx import compose_spdx
from ocitool.errors import MalformedDocument
from tests.fakes.programs import Elf, go_build
from tests.fakes.sick import member

DEBIAN = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
STATUS = b"""Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2)
Version: 5.2.15-2+b7
Description: a shell
 Package: not-one
 Status: install ok installed

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: half
Status: install ok half-configured
Version: 1

Package: libc++1
Status: hold ok installed
Architecture: amd64
Version: 1:2.0~rc1
"""


class TestDpkg:
    def test_what_is_installed_counts_and_nothing_else(self, purls):
        found = purls({"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS})

        assert [
            "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12&upstream=bash%405.2",
            "pkg:deb/debian/libc%2B%2B1@1:2.0~rc1?arch=amd64&distro=debian-12",
        ] == found

    def test_the_distribution_may_stand_in_a_later_layer_or_behind_a_link(self, inventory):
        link = member("etc/os-release", type=tarfile.SYMTYPE, linkname="../usr/lib/os-release")

        found = inventory({"var/lib/dpkg/status": STATUS, "etc/os-release": link}, {"usr/lib/os-release": DEBIAN})

        assert Distribution("debian", "12", "Debian GNU/Linux 12 (bookworm)") == found.distribution
        assert "distro=debian-12" in found.packages[0].purl

    def test_a_lower_layer_that_is_replaced_does_not_count(self, purls):
        assert 1 == len(
            purls({"var/lib/dpkg/status": STATUS}, {"var/lib/dpkg/status": STATUS[: STATUS.index(b"\n\n")]})
        )
        assert [] == purls({"var/lib/dpkg/status": STATUS}, {"var/lib/dpkg/.wh.status": b""})

    def test_distroless_has_a_file_for_each(self, purls):
        files = {
            "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n",
            "var/lib/dpkg/status.d/tzdata.md5sums": b"Package: no\nVersion: 1\n",
        }

        assert ["pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12"] == purls({"etc/os-release": DEBIAN}, files)


def test_apk_is_read(purls):
    text = b"C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\no:musl\nF:lib\nR:x\n\nP:ssl_client\nV:1.36\nA:x86_64\no:busybox\n"

    found = purls({"etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n", "lib/apk/db/installed": text})

    assert [
        "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
        "pkg:apk/alpine/ssl_client@1.36?arch=x86_64&distro=alpine-3.20.1&upstream=busybox",
    ] == found


def rpm_header(**tags):
    """A header as rpm stores it: the tags as strings, numbers as one of 32 bits."""
    numbers = {"name": 1000, "version": 1001, "release": 1002, "epoch": 1003, "license": 1014, "arch": 1022}
    entries, data = b"", b""
    for key, value in tags.items():
        is_number = isinstance(value, int)
        data += bytes(-len(data) % 4) if is_number else b""
        entries += struct.pack(">IIII", numbers[key], 4 if is_number else 6, len(data), 1)
        data += struct.pack(">I", value) if is_number else value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + entries + data


def rpm_database(path, *headers, mode="DELETE"):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(one,) for one in headers])
    connection.commit()
    return connection


class TestRpm:
    PACKAGES = (
        rpm_header(name="bash", version="5.2", release="1.fc40", epoch=1, arch="x86_64", license="GPLv3+"),
        rpm_header(name="gpg-pubkey", version="abc", release="1"),
        rpm_header(name="no-epoch", version="1", release="2", arch="noarch"),
    )

    @pytest.mark.parametrize("path", ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite"])
    def test_a_database_of_sqlite_is_read(self, purls, tmp_path, path):
        rpm_database(tmp_path / "db", *self.PACKAGES).close()

        found = purls({"etc/os-release": b"ID=fedora\nVERSION_ID=40\n", path: (tmp_path / "db").read_bytes()})

        assert [
            "pkg:rpm/fedora/bash@5.2-1.fc40?arch=x86_64&distro=fedora-40&epoch=1",
            "pkg:rpm/fedora/no-epoch@1-2?arch=noarch&distro=fedora-40",
        ] == found

    def test_a_log_beside_it_counts(self, purls, tmp_path):
        connection = rpm_database(tmp_path / "db", *self.PACKAGES, mode="WAL")
        data, log = (tmp_path / "db").read_bytes(), (tmp_path / "db-wal").read_bytes()
        connection.close()

        found = purls({"var/lib/rpm/rpmdb.sqlite": data, "var/lib/rpm/rpmdb.sqlite-wal": log})

        assert 2 == len(found)

    @pytest.mark.parametrize("data", [b"", b"SQLite format 3\0" + bytes(2000), b"nothing of the kind"])
    def test_a_damaged_one_is_told_and_the_rest_counts(self, inventory, data):
        found = inventory({"var/lib/rpm/rpmdb.sqlite": data, "var/lib/dpkg/status": STATUS})

        assert 2 == len(found.packages)
        assert ["/var/lib/rpm/rpmdb.sqlite" in line for line in found.unread] == [True]

    @pytest.mark.slow
    def test_a_query_that_never_ends_is_ended(self, tmp_path):
        rpm_database(tmp_path / "db", *([self.PACKAGES[0]] * 50_000)).close()

        with pytest.raises(MalformedDocument, match="interrupted"):
            list(read_rpm(tmp_path / "db", "var/lib/rpm/rpmdb.sqlite", Distribution(), steps=50_000))

    @pytest.mark.parametrize(
        "schema",
        [
            "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS (SELECT 1 UNION ALL SELECT blob+1 FROM n) SELECT blob FROM n",
            "CREATE TABLE Packages (hnum INTEGER, blob BLOB AS (zeroblob(hnum)))",
            "CREATE TABLE Packages (hnum INTEGER, blob BLOB GENERATED ALWAYS AS ('a' LIKE '%a') STORED)",
            "CREATE TABLE Packages (blob BLOB); CREATE TRIGGER t AFTER INSERT ON Packages BEGIN SELECT 1; END",
        ],
    )
    def test_what_would_compute_something_is_not_read(self, tmp_path, schema):
        connection = sqlite3.connect(tmp_path / "db")
        connection.executescript(schema)
        connection.close()

        with pytest.raises(MalformedDocument, match="no database of rpm's: 'CREATE"):
            list(read_rpm(tmp_path / "db", "var/lib/rpm/rpmdb.sqlite", Distribution()))

    @pytest.mark.parametrize("name", [b"tablePackages", b"CREATE"])
    def test_words_that_are_no_text_are_told(self, tmp_path, name):
        """They stand in SQLite's own message."""
        rpm_database(tmp_path / "db").close()
        data = (tmp_path / "db").read_bytes()
        (tmp_path / "db").write_bytes(data.replace(name, name[:-2] + b"\xff\xfe"))

        with pytest.raises(MalformedDocument, match="cannot be read"):
            list(read_rpm(tmp_path / "db", "x", Distribution()))

    def test_tables_beside_it_are_as_rpm_makes_them(self, tmp_path):
        connection = sqlite3.connect(tmp_path / "db")
        connection.executescript(
            "CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);"
            "CREATE TABLE IF NOT EXISTS 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, "
            "FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum)); CREATE INDEX IF NOT EXISTS 'Name_key_idx' ON 'Name'(key ASC)"
        )
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (self.PACKAGES[0],))
        connection.commit()
        connection.close()

        assert ["bash"] == [one.name for one in read_rpm(tmp_path / "db", "x", Distribution())]

    def test_of_a_text_without_an_end_so_much_is_read_and_once(self):
        def header(count):
            tags = struct.pack(">IIII", 1000, 6, 0, 1) + struct.pack(">IIII", 1000, 6, 9, 1) * (count - 1)
            return struct.pack(">II", count, 100_000) + tags + b"first" + b"x" * 99_995

        found = read_rpm_header(header(100))

        assert (True, 16 * 1024) == (found["name"].startswith("first"), len(found["name"]))
        assert {} == read_rpm_header(header(70_000))

    @pytest.mark.parametrize(
        "blob",
        [
            b"",
            b"\0" * 7,
            struct.pack(">II", 2**31, 2**31),
            struct.pack(">II", 1, 0) + struct.pack(">IIII", 1000, 6, 9, 1),
        ],
    )
    def test_a_header_that_is_cut_off_tells_nothing(self, blob):
        assert {} == read_rpm_header(blob)

    @pytest.mark.parametrize("path", ["var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db"])
    def test_other_forms_are_named(self, inventory, path):
        found = inventory({path: b"x"})

        assert [True] == [line.endswith(f"/{path}") for line in found.unread]


class TestPrograms:
    TEXT = (
        "path\texample.com/app\nmod\texample.com/app\tv1.2.3\th1:a\n"
        "dep\tgithub.com/a/b/v2\tv2.0.0\th1:b\ndep\told.example/c\tv1.0.0\n=>\tnew.example/c\tv1.0.1\th1:c\nbuild\tGOOS=linux\n"
    )

    @staticmethod
    def program(text=TEXT):
        return Elf(sections=[(".go.buildinfo", 1, go_build(text))]).build()

    def test_the_modules_of_a_go_program_are_found(self, inventory):
        found = inventory({"usr/bin/app": self.program(), "lib/b.so": Elf(kind=3).build()})

        assert [
            "pkg:golang/example.com/app@v1.2.3",
            "pkg:golang/github.com/a/b/v2@v2.0.0",
            "pkg:golang/new.example/c@v1.0.1",
        ] == [one.purl for one in found.packages]
        assert [("usr/bin/app", "ELF program")] == [(one.path, one.kind) for one in found.files]

    def test_a_program_of_a_folder_has_no_version(self, purls):
        assert ["pkg:golang/example.com/app"] == purls(
            {"app": self.program("path\tx\nmod\texample.com/app\t(devel)\n")}
        )

    def test_crates_of_cargo_auditable_are_found_but_for_those_of_its_build(self, purls):
        told = {
            "packages": [
                {"name": "serde", "version": "1.0.1"},
                {"name": "cc", "version": "1", "kind": "build"},
                {"name": 5},
            ]
        }
        program = Elf(sections=[(".dep-v0", 1, zlib.compress(json.dumps(told).encode()))]).build()

        assert ["pkg:cargo/serde@1.0.1"] == purls({"app": program})

    @pytest.mark.parametrize(
        "data", [b"junk", zlib.compress(b"[" * 100_000), zlib.compress(bytes(20_000_000)), zlib.compress(b"{}")]
    )
    def test_audit_data_that_is_none_is_passed_over(self, purls, data):
        assert [] == purls({"app": Elf(sections=[(".dep-v0", 1, data)]).build()})


def test_cargo_lock_is_read(inventory):
    text = """version = 3
[[package]]
name = "app"
version = "0.1.0"
[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://git.example/CRATES-index"
checksum = "34af"
[[package]]
name = "own"
version = "1.0.0"
source = "git+https://git.example/own?rev=1#abc"
"""
    text = text.replace("CRATES", "crates{}io".format("."))
    found = inventory({"src/Cargo.lock": text.encode(), "other/Cargo.lock": b"= ="})

    assert [
        "pkg:cargo/app@0.1.0",
        "pkg:cargo/own@1.0.0?vcs_url=git%2Bhttps://git.example/own%3Frev%3D1%23abc",
        "pkg:cargo/rand@0.8.5",
    ] == [one.purl for one in found.packages]
    assert "34af" == found.packages[-1].checksum
    assert ["/other/Cargo.lock" in line for line in found.unread] == [True]


def test_python_and_npm_are_read(inventory):
    found = inventory(
        {
            "usr/lib/python3/dist-packages/Zope.Interface-5.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 5.0\nLicense: ZPL 2.1\n\nName: body\nVersion: 9\n",
            "usr/lib/x.egg-info/PKG-INFO": b"Name: my_x\nVersion: 1\n",
            "app/node_modules/@scope/name/package.json": b'{"name": "@scope/name", "version": "1.0.0", "license": "MIT"}',
            "app/node_modules/plain/package.json": b'{"name": "plain", "version": "2.0.0"}',
            "app/node_modules/plain/test/package.json": b'{"name": "no", "version": "1"}',
            "app/package.json": b'{"name": "app", "version": "3"}',
            "app/node_modules/broken/package.json": b"{",
        }
    )

    assert [
        "pkg:npm/%40scope/name@1.0.0",
        "pkg:npm/plain@2.0.0",
        "pkg:pypi/my-x@1",
        "pkg:pypi/zope-interface@5.0",
    ] == [one.purl for one in found.packages]
    assert ["MIT", "ZPL 2.1"] == sorted(filter(None, (one.license for one in found.packages)))
    assert 1 == len(found.unread)


def test_files_that_ocitool_packed_are_listed_with_what_packed_them(inventory):
    def config(tree):
        tree["history"] = [
            {"created_by": "somebody"},
            {"created_by": "COPY app /", "comment": "ocitool"},
            {"created_by": "ENV a=b", "comment": "ocitool", "empty_layer": True},
        ]

    found = inventory({"theirs": b"x"}, {"app": b"text", "empty": b""}, config=config)

    assert [("app", "COPY app /", 4), ("empty", "COPY app /", 0)] == [
        (one.path, one.step, one.size) for one in found.files
    ]
    assert "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1" == found.files[0].sha256
    assert "372ea08cab33e71c02c651dbc83a474d32c676ea" == found.files[0].sha1


class TestHostile:
    @pytest.mark.slow
    def test_fields_that_nobody_knows_are_not_kept(self):
        """A paragraph of a million fields, and one of a line without an end, take no more memory than they have."""
        text = b"".join(b"K%d: v\n" % number for number in range(200_000)) + b"Package: " + b"x" * 1_000_000

        tracemalloc.start()
        found = list(read_dpkg(text, "var/lib/dpkg/status.d/x", Distribution()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert [] == found
        assert peak < 8_000_000

    @pytest.mark.slow
    def test_lines_are_not_all_in_memory(self):
        tracemalloc.start()
        found = list(read_dpkg(b"\n" * 5_000_000, "var/lib/dpkg/status", Distribution()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert [] == found
        assert peak < 8_000_000

    def test_a_word_without_an_end_is_left_out_and_the_package_counts(self, purls):
        text = b"Package: a\nVersion: 1\nArchitecture: " + b"x" * 5000 + b"\nSource: s\x1b[2J\n"

        assert ["pkg:deb/debian/a@1?upstream=s%5B2J"] == purls({"var/lib/dpkg/status.d/a": text})

    def test_many_that_cannot_be_read_are_told_in_so_many_lines(self, inventory):
        files = {f"app/node_modules/p{number}/package.json": b"{" for number in range(300)}

        found = inventory(files)

        assert 101 == len(found.unread)
        assert "and more than that" == found.unread[-1]

    @pytest.mark.slow
    def test_all_lock_files_together_have_a_bound(self, inventory):
        text = b"version = 3\n" + b"#" * 4_000_000

        found = inventory({f"{name}/Cargo.lock": text for name in "abcde"})

        assert ["/e/Cargo.lock: it is beyond the 268435456 bytes of such files that are read"] == list(found.unread)

    def test_a_name_that_is_no_text_is_told_in_a_document(self, inventory):
        found = inventory({"app/node_modules/\udcff\x1b[2J/package.json": b"{", "a\udcfe": TestPrograms.program()})

        for form in (compose_spdx, compose_cyclonedx):
            assert b"node_modules" in form(found, "name", "2024-01-01T00:00:00Z")


def test_a_file_beyond_all_measure_is_told_and_not_read(inventory):
    found = inventory({"Cargo.lock": b"#" * (4 * 1024 * 1024 + 1)})

    assert ["4194304 are read" in line for line in found.unread] == [True]


@pytest.mark.parametrize("name", ["", " ", "x" * 5000])
def test_a_package_without_a_name_that_anything_has_is_none(name):
    assert FoundPackage.told("deb", name, "1") is None


def test_control_characters_of_others_are_left_out():
    package = FoundPackage.told("deb", "a\x1b[2J\nb\ud800", "1\x00")

    assert "a[2Jb" in package.name
    assert package.name.isprintable()
    assert "1" == package.version


def ours(tree):
    """What makes every layer one of ours."""
    tree["history"] = [{"created_by": "COPY app /", "comment": "ocitool"}]


class TestBounds:
    """What is beyond a bound is left out, and told."""

    def test_of_many_files_only_programs_are_listed(self, inventory, monkeypatch):
        monkeypatch.setattr("ocitool.attest.inventory._FILES", 1)

        few = inventory({"a": b"x"}, config=ours)
        many = inventory({"a": b"x", "b": Elf().build()}, config=ours)

        assert (["a"], ()) == ([one.path for one in few.files], few.unread)
        assert ["b"] == [one.path for one in many.files]
        assert ("2 files of this build, of which only programs are listed",) == many.unread

    def test_the_last_file_below_the_bound_counts_whole(self, inventory, monkeypatch):
        text = b'{"name": "a", "version": "1"}'
        monkeypatch.setattr("ocitool.attest.inventory._TEXTS_LIMIT", len(text))

        exact = inventory({"node_modules/a/package.json": text})
        over = inventory({"node_modules/a/package.json": text + b" "})

        assert (1, ()) == (len(exact.packages), exact.unread)
        assert (0, 1) == (len(over.packages), len(over.unread))

    def test_packages_beyond_so_many_are_left_out(self, inventory, monkeypatch):
        monkeypatch.setattr("ocitool.attest.inventory.MOST", 1)

        one, two = (
            inventory({f"{name}.egg-info/PKG-INFO": f"Name: {name}\nVersion: 1\n".encode() for name in names})
            for names in ("a", "ab")
        )

        assert (1, ()) == (len(one.packages), one.unread)
        assert (1, ("more than 1 packages",)) == (len(two.packages), two.unread)

    def test_a_database_beyond_all_measure_is_not_kept(self, inventory, monkeypatch):
        monkeypatch.setattr("ocitool.attest.inventory._RPM_LIMIT", 100)

        found = inventory({"var/lib/rpm/rpmdb.sqlite": bytes(101)})

        assert ("/var/lib/rpm/rpmdb.sqlite: it has 101 bytes, more than is read",) == found.unread

    def test_headers_of_all_packages_together_have_a_bound(self, tmp_path, monkeypatch):
        rpm_database(tmp_path / "db", *TestRpm.PACKAGES).close()
        monkeypatch.setattr("ocitool.attest.distributions._HEADERS", 2 * len(TestRpm.PACKAGES[0]))
        found = read_rpm(tmp_path / "db", "p", Distribution())

        assert "bash" == next(found).name
        with pytest.raises(MalformedDocument, match=r"/p has more than .* bytes of headers"):
            list(found)

    def test_of_a_long_text_the_beginning_counts_and_the_whole_is_hashed(self, inventory):
        data = b"Name: a\nVersion: 1\n\n" + b"x" * 1_000_000

        found = inventory({"a.egg-info/PKG-INFO": data}, config=ours)

        assert ["pkg:pypi/a@1"] == [one.purl for one in found.packages]
        assert [(len(data), hashlib.sha256(data).hexdigest())] == [(one.size, one.sha256) for one in found.files]


def test_packages_whose_names_nothing_has_are_passed_over(purls):
    name = "x" * 5000
    crates = json.dumps({"packages": [{"name": name, "version": "1"}, {"name": "a", "version": "1"}]})
    found = purls(
        {
            "go": TestPrograms.program(f"path\tx\nmod\texample.com/{name}\tv1\ndep\texample.com/b\tv1.0.0\th1:b\n"),
            "rust": Elf(sections=[(".dep-v0", 1, zlib.compress(crates.encode()))]).build(),
            "node_modules/a/package.json": json.dumps({"name": name, "version": "1"}).encode(),
            "node_modules/b/package.json": b'{"name": "b"}',
        }
    )

    assert ["pkg:cargo/a@1", "pkg:golang/example.com/b@v1.0.0"] == found
