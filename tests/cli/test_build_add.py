"""ADD of URLs: what is downloaded, how it stands in the image, and servers that mean no good."""

import hashlib
import io
import tarfile
import threading

import pytest

from tests.fakes.built import built

TOOL = b"a program, or nearly one\n" * 100_000
SUM = f"sha256:{hashlib.sha256(TOOL).hexdigest()}"
MODIFIED = "Wed, 01 May 2024 10:00:00 GMT"


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        info = tarfile.TarInfo("in/file")
        info.size, info.uid = 3, 7
        out.addfile(info, io.BytesIO(b"abc"))
    return buffer.getvalue()


def test_a_file_of_a_url(home, build, web):
    """Under the name that its path ends with, for root alone to read, as old as its server says."""
    url = web.put("/dl/tool%20x", TOOL, headers={"Last-Modified": MODIFIED}) + "?token=1#there"

    image = built(home, build(f"FROM scratch\nWORKDIR /w\nADD {url} sub/\nADD {url} /as\nADD {url} .\n"))

    for path in ("w/sub/tool x", "as", "w/tool x"):
        assert TOOL == image.data(path)
        assert ("FILE", "0o600", "0:0") == image.files()[path]
    assert (f"ADD {url} sub/ # buildkit", False) == image.told[1]
    assert 1 == len(web.asked)
    assert 0 == image.tree.get("as").mtime


def test_two_sources_of_which_one_is_text_or_from_elsewhere_need_a_directory(home, build, run, web):
    url = web.put("/x", b"x")
    (home / "a").write_text("a")
    for line in ("COPY a <<B /d\nb\nB", f"ADD a {url} /d"):
        refused = build(f"FROM scratch\n{line}\n")

        assert 2 == refused.exit_code
        assert "2 sources go to /d, which is no directory" in refused.stderr
    assert {"d/a", "d/B"} <= set(built(home, build("FROM scratch\nCOPY a <<B /d/\nb\nB\n")).files())


def test_times_are_the_servers_and_never_beyond_the_epoch(home, build, web, monkeypatch):
    old = web.put("/old", b"x", headers={"Last-Modified": MODIFIED})
    new = web.put("/new", b"x", headers={"Last-Modified": "Fri, 01 Jan 2100 00:00:00 GMT"})
    odd = web.put("/odd", b"x", headers={"Last-Modified": "yesterday"})
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")

    image = built(home, build(f"FROM scratch\nADD {old} {new} {odd} /\n"))

    assert [1714557600, 1800000000, 0] == [image.tree.get(name).mtime for name in ("old", "new", "odd")]


def test_owner_mode_and_unpacking_are_those_of_the_flags(home, build, web):
    data = archive()
    url = web.put("/a.tar.gz", data)

    image = built(
        home,
        build(
            f"FROM bb\nADD --chown=www:web --chmod=755 {url} /a\nADD {url} /b/\nADD --unpack=true {url} /c\n"
            f"ADD --unpack {url} /d/\n"
        ),
    )

    assert ("FILE", "0o755", "82:33") == image.files()["a"]
    assert data == image.data("a") == image.data("b/a.tar.gz")
    assert b"abc" == image.data("c/in/file") == image.data("d/in/file")
    assert "7:0" == image.files()["c/in/file"][2]


def test_urls_and_files_in_one_line_in_their_order(home, build, web):
    url = web.put("/f", b"from there")
    (home / "f").write_text("from here")
    (home / "g*").mkdir()

    image = built(home, build(f"FROM scratch\nADD f {url} /a/\nADD {url} f /b/\nADD <<h {url} /c/\nhere\nh\n"))

    assert (b"from there", b"from here") == (image.data("a/f"), image.data("b/f"))
    assert (b"from there", b"here\n") == (image.data("c/f"), image.data("c/h"))


def test_names_that_look_like_patterns_are_names(home, build, web):
    image = built(home, build(f"FROM scratch\nADD {web.put('/a[1]*.txt', b'x')} {web.put('/', b'y')} /d/\n"))

    assert {"d", "d/a[1]*.txt", "d/__unnamed__"} == set(image.files())


def test_a_checksum_is_verified_and_spares_the_next_download(home, build, web):
    """One request for two platforms, none for an unchanged build, one more with --no-cache."""
    url = web.put("/tool", TOOL)
    text = f"FROM scratch\nARG SUM={SUM}\nADD --checksum=$SUM {url} /tool\n"

    first = built(home, build(text, platform="linux/amd64,linux/arm64"), "linux/arm64")

    assert TOOL == first.data("tool")
    assert (f"ADD {url} /tool # buildkit", False) == first.told[-1]
    assert 1 == len(web.asked)
    built(home, build(text))
    assert 1 == len(web.asked)
    built(home, build(text, "--no-cache"))
    assert 2 == len(web.asked)


def test_a_wrong_checksum_keeps_nothing(home, build, web):
    url = web.put("/tool", TOOL + b"!")

    outcome = build(f"FROM scratch\nADD --checksum={SUM} {url} /tool\n")

    assert 6 == outcome.exit_code
    assert f"Dockerfile:2: {url} has the checksum sha256:" in outcome.stderr
    assert f"not {SUM}" in outcome.stderr
    assert [] == [path for path in home.glob(".cache/ocitool/content/**/*") if path.stat().st_size > 1_000_000]


@pytest.mark.parametrize("headers", [{}, {"Last-Modified": MODIFIED}])
def test_without_a_checksum_the_server_is_asked_whether_it_changed(home, build, web, headers):
    url = web.put("/tool", TOOL, headers=headers, etag=not headers)
    text = f"FROM scratch\nADD {url} /tool\n"

    built(home, build(text))
    outcome = build(text)

    assert TOOL == built(home, outcome).data("tool")
    condition = "if-modified-since" if headers else "if-none-match"
    assert [False, True] == [condition in asked for _, asked in web.asked]
    web.put("/tool", b"newer", headers={"Last-Modified": "Thu, 02 May 2024 10:00:00 GMT"}, etag=not headers)
    assert b"newer" == built(home, build(text)).data("tool")


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}, {"Last-Modified": "Fri, 01 Jan 2100 00:00:00 GMT"}])
def test_what_tells_nothing_for_sure_is_not_trusted(home, build, web, headers):
    """A weak tag, a time that is not over: the file is asked for as if it were unknown."""
    url = web.put("/tool", b"one", headers=headers, etag=False)
    built(home, build(f"FROM scratch\nADD {url} /tool\n"))
    web.put("/tool", b"two", headers=headers, etag=False)

    assert b"two" == built(home, build(f"FROM scratch\nADD {url} /tool\n")).data("tool")
    assert not any(name.startswith("if-") for _, asked in web.asked for name in asked)


@pytest.mark.parametrize("more", [{}, {"ranges": False}, {"etag": False}])
def test_a_body_that_breaks_off_goes_on(home, build, web, more):
    """With a range where the server has them, else by comparing the beginning."""
    url = web.put("/tool", TOOL, cuts=[1_000_000, 700_000], **more)

    assert TOOL == built(home, build(f"FROM scratch\nADD --checksum={SUM} {url} /tool\n")).data("tool")
    assert 3 == len(web.asked)
    assert (not more) == ("range" in web.asked[-1][1] and web.pages["/tool"].ranges)


def test_a_file_that_changes_while_it_comes(home, build, web):
    url = web.put("/tool", TOOL, cuts=[1_000_000], etag=False)
    web.pages["/tool"].data = ChangingBytes(TOOL)

    outcome = build(f"FROM scratch\nADD {url} /tool\n")

    assert 6 == outcome.exit_code
    assert f"Dockerfile:2: {url} changed while it was downloaded" in outcome.stderr


class ChangingBytes(bytes):
    """Bytes that are others whenever they are looked at again."""

    looks = 0

    def __getitem__(self, key):
        ChangingBytes.looks += 1
        return bytes(self).replace(b"program", b"PROGRAM") if ChangingBytes.looks > 1 else bytes(self)[key]


def test_a_server_that_is_busy_is_asked_again(home, build, web):
    url = web.put("/tool", TOOL, statuses=[503, 429])

    assert TOOL == built(home, build(f"FROM scratch\nADD {url} /tool\n")).data("tool")


def test_redirects_are_followed_and_no_credentials_go_along(home, build, web):
    (home / ".docker").mkdir()
    auths = f'{{"auths": {{"{web.host}": {{"auth": "dTpw"}}}}}}'
    (home / ".docker/config.json").write_text(auths)
    web.put("/tool", b"x")
    web.put("/b", location="/tool")
    url = web.put("/a", location=f"{web.url}/b")

    assert b"x" == built(home, build(f"FROM scratch\nADD {url} /d/\n")).data("d/a")
    assert ["/a", "/b", "/tool"] == [path for path, _ in web.asked]
    assert not any("authorization" in asked for _, asked in web.asked)


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("/a", "redirects in a circle"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd, which is not safe"),
        ("http://u:p@127.0.0.1/", "redirects to http://127.0.0.1/, which is not safe"),
        ("gopher://x/", "redirects to gopher://x/, which is not safe"),
    ],
)
def test_redirects_that_lead_nowhere_good(build, web, location, says):
    url = web.put("/a", location=location)

    outcome = build(f"FROM scratch\nADD {url} /d/\n")

    assert 5 == outcome.exit_code
    assert f"Dockerfile:2: {web.host} {says}" in outcome.stderr
    assert f"cannot download {url}" in outcome.stderr
    assert len(web.asked) <= 6


def test_a_file_that_is_too_large_is_not_begun(build, web):
    url = web.put("/a", b"x", headers={"Content-Length": "99999999999999"})

    outcome = build(f"FROM scratch\nADD {url} /d/\n")

    assert 6 == outcome.exit_code
    assert f"Dockerfile:2: {url} has more than 17179869184 bytes" in outcome.stderr


def test_what_is_not_there_and_what_is_closed(build, web):
    url = web.put("/closed", statuses=[403])

    missing = build(f"FROM scratch\n\nADD {web.url}/none?key=secret /d/\n")
    closed = build(f"FROM scratch\nADD {url} /d/\n")
    nobody = build("FROM scratch\nADD https://nowhere.invalid/x /d/\n")

    assert 3 == missing.exit_code
    assert f"Dockerfile:3: cannot download {web.url}/none?key=…: not found on {web.host}" in missing.stderr
    assert "secret" not in missing.stderr
    assert 4 == closed.exit_code
    assert f"Dockerfile:2: {web.host} denied access (403), cannot download {url}" in closed.stderr
    assert "download it before the build" in closed.stderr
    assert 5 == nobody.exit_code
    assert "Dockerfile:2: nowhere.invalid: cannot connect" in nobody.stderr
    assert "cannot download https://nowhere.invalid/x" in nobody.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("COPY http://h.test/x /x", "COPY takes no URL: http://h.test/x"),
        ("COPY git@h.test:a/b /x", "COPY takes no URL: git@h.test:a/b"),
        ("ADD --checksum=sha256:00 http://h.test/x /x", "not a checksum: 'sha256:00'"),
        ("ADD --checksum=md5:00 http://h.test/x /x", "not a checksum: 'md5:00'"),
        (f"ADD --checksum={SUM} Dockerfile /x", "--checksum is for URLs, and Dockerfile is a file of the context"),
        (f"ADD --checksum={SUM} http://h.test/x http://h.test/y /x/", "--checksum is for one source"),
        ("ADD http://u:p@h.test/x /x", "not the URL of a file: 'http://h.test/x'"),
        ("ADD http:///x /x", "not the URL of a file"),
        ("ADD ftp://h.test/x /x", "ADD takes no such URL: ftp://h.test/x"),
        ("COPY FILE:///etc/passwd /x", "COPY takes no such URL: FILE:///etc/passwd"),
    ],
)
def test_what_is_refused_before_anything_is_asked(build, line, says):
    outcome = build(f"FROM scratch\n{line}\n")

    assert 2 == outcome.exit_code
    assert f"Dockerfile:2: {says}" in outcome.stderr


@pytest.mark.parametrize(
    "source", ["git@h.test:a/b.git", "https://u:p@h.test/a/b.git#v1:sub", "git://h.test/a", "ssh://git@h.test/a"]
)
def test_git_repositories_are_refused_with_the_way_out(build, source):
    """Whether the address is written out or comes from a variable."""
    plain = build(f"FROM nowhere.invalid/x\nADD --keep-git-dir=true {source} /x\n")
    meant = build(f"FROM scratch\nARG FROM={source}\nADD $FROM /x\n")

    shown = source.replace("u:p@", "").replace("ssh://git@", "ssh://")
    assert (9, 9) == (plain.exit_code, meant.exit_code)
    assert "Dockerfile:2: ADD needs git, and nothing is cloned here" in plain.stderr
    assert f"Dockerfile:2: ADD {shown}: clones a git repository; check it out before the build" in plain.stderr
    assert f"Dockerfile:3: ADD {shown} needs git, and nothing is cloned here" in meant.stderr
    assert "check it out before the build, and COPY it" in meant.stderr


def test_git_repositories_are_told_with_the_other_lines_that_need_a_process(build):
    text = "FROM scratch AS unused\nADD git@h.test:a/b /\nFROM scratch\nRUN true\nADD git@h.test:a/c /c\n"

    outcome, checked = build(text), build(text, "--check")

    assert 9 == outcome.exit_code
    assert "Dockerfile:4: RUN needs a process in the image, and nothing is run here\n" in outcome.stderr
    first, second = outcome.stderr.splitlines()[1:3]
    assert first.startswith("  Dockerfile:4: RUN true: ")
    assert second.startswith("  Dockerfile:5: ADD git@h.test:a/c: clones a git repository; check it out")
    assert 1 == checked.exit_code
    assert "ADD git@h.test:a/c: clones a git repository" in checked.stdout
    assert "ADD git@h.test:a/b:" not in outcome.stderr + checked.stdout


def test_files_of_several_urls_come_side_by_side(home, build, web):
    """Each is answered when all are asked for; what a variable of the base says is not guessed at."""
    together = threading.Barrier(3, timeout=30)
    for name in "abc":
        web.put(f"/{name}", name.encode(), together=together)
    lines = f"ARG H={web.url}\nADD $H/a /\nENV U=$H/b\nADD $U $H/c /d/\nADD $H/a /again\n"

    image = built(home, build(f"FROM scratch\n{lines}", platform="linux/amd64"))

    assert [b"a", b"b", b"c"] == [image.data(path) for path in ("again", "d/b", "d/c")]
    assert ["/a", "/b", "/c"] == sorted(path for path, _ in web.asked)


def test_of_several_urls_the_line_of_the_one_that_fails_is_told(build, web):
    good, gone = web.put("/good", b"x"), f"{web.url}/gone"

    done = build(f"FROM scratch\nADD {good} /\nCOPY nothing /\nADD {gone} /\n")
    alone = build(f"FROM scratch\nADD {good} /\nADD {gone} /\nADD {good} /z\n")

    assert (3, True) == (done.exit_code, "Dockerfile:3: no nothing in the context" in done.stderr)
    assert (3, True) == (alone.exit_code, f"Dockerfile:3: cannot download {gone}" in alone.stderr)


def test_a_url_that_only_the_base_tells_is_fetched_when_its_line_comes(home, build, web):
    url = web.put("/x", b"from afar")

    image = built(home, build(f"FROM bb\nADD {url}$NOBODY_KNOWS /x\n"))

    assert b"from afar" == image.data("x")
    assert ["/x"] == [path for path, _ in web.asked]
