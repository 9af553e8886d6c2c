"""`prune` on the command line: what it takes for a repository, what it only shows, and what lets more go."""

import pytest

EPOCH = "1970-01-01T00:00:00Z"


@pytest.fixture
def repository(registry, ward):
    """Three versions, built so that they say 1970."""
    at = ward(f"{registry.host}/app")
    for number in range(3):
        image = at.image(layers=[f"{number}".encode()], config=lambda tree: tree.update(created=EPOCH))
        registry.tags["app", f"1.{number}"] = image["digest"]
    return f"{registry.host}/app"


@pytest.mark.parametrize("name", ["app:1.0", f"app@sha256:{'0' * 64}"])
def test_a_tag_is_no_repository(registry, repository, run, name):
    done = run("prune", f"{registry.host}/{name}", "--keep-versions", "1", "--apply")

    assert 2 == done.exit_code
    assert f"names {name.partition('app')[2][1:]}" in done.stderr
    assert {"1.0", "1.1", "1.2"} == {tag for _, tag in registry.tags}


def test_a_dry_run_is_what_happens_without_apply(registry, repository, run):
    shown = run("prune", repository, "--keep-versions", "1", "--dry-run")
    refused = run("prune", repository, "--keep-versions", "1", "--dry-run", "--apply")

    assert (0, run("prune", repository, "--keep-versions", "1").stdout) == (shown.exit_code, shown.stdout)
    assert "delete 1.0" in shown.stdout
    assert (2, True) == (refused.exit_code, "leave one of them out" in refused.stderr)
    assert {"1.0", "1.1", "1.2"} == {tag for _, tag in registry.tags}


def test_where_no_image_says_a_date_the_rules_that_need_none_are_named(repository, run):
    by_age, by_version = (run("prune", repository, rule, "1") for rule in ("--keep-last", "--keep-versions"))

    assert (0, True) == (by_age.exit_code, "hint: --keep-versions N" in by_age.stderr)
    assert "--unknown-age delete" in by_age.stderr
    assert "hint:" not in by_version.stderr


def test_how_a_prune_is_taken_back_is_no_warning(repository, run):
    done = run("prune", repository, "--keep-versions", "1", "--apply")

    assert 0 == done.exit_code, done.stderr
    assert f"ocitool undo {repository} --prune" in done.stderr
    assert "warning:" not in done.stderr
