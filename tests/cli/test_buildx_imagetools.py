"""`buildx imagetools create` into several repositories; what it prints is compared with buildx among the peers."""

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
