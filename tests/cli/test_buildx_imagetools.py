"""`buildx imagetools create` into several repositories; what it prints is compared with buildx among the peers."""

import pytest

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import put_image


def test_an_image_goes_under_every_tag_of_every_repository(run, registry):
    host = registry.host
    with Opener(Access(), Scope()) as opener:
        digest = put_image(opener.open(f"{host}/from/app", write=True)[0], "1", "linux/amd64")
        tags = [f"{host}/{name}" for name in ("one/app:1", "one/app:2", "two/app:1")]

        done = run(
            *("buildx", "imagetools", "create", "--prefer-index=false"),
            *(word for tag in tags for word in ("-t", tag)),
            f"{host}/from/app:1",
        )

        held = [opener.open(tag.rpartition(":")[0])[0].head(tag.rpartition(":")[2]) for tag in tags]
    assert 0 == done.exit_code, done.stderr
    assert [digest] * 3 == [one.digest for one in held]


@pytest.mark.parametrize(
    ("more", "platforms", "annotations"),
    [
        ((), ["linux/arm64"], {}),
        (("--annotation", "index:a=b"), ["linux/arm64"], {"a": "b"}),
        (("--append",), ["linux/amd64", "linux/arm64"], {}),
    ],
    ids=["as it is", "annotated", "appended"],
)
def test_one_index_is_published_as_it_is_unless_something_is_said_of_it(
    run, registry, more, platforms, annotations
):
    name = f"{registry.host}/app"
    with Opener(Access(), Scope()) as opener:
        store = opener.open(name, write=True)[0]
        for platform in ("amd64", "arm64"):
            put_image(store, platform, f"linux/{platform}")
        for tag in ("one", "two"):
            source = f"{name}:{'amd64' if tag == 'two' else 'arm64'}"
            assert 0 == run("buildx", "imagetools", "create", "-t", f"{name}:{tag}", source).exit_code

        done = run("buildx", "imagetools", "create", "-t", f"{name}:two", *more, f"{name}:one")

        assert 0 == done.exit_code, done.stderr
        held = view(store.get_manifest("two"))
        assert (more == ()) == (store.head("two").digest == store.head("one").digest)
    assert (platforms, annotations) == ([str(one.platform) for one in held.entries], dict(held.annotations))
