"""What is attested, by buildx's words."""

import pytest

from ocitool.attest.options import BUILDER, AttestOptions
from ocitool.cli.buildx.attestations import options_of
from ocitool.errors import Unsupported, UsageError


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"provenance": "false", "sbom": "0"},
        {"provenance": "mode=max,disabled=true"},
        {"attest": ("type=provenance,disabled=true", "type=vex,disabled=true")},
        {"attest": (), "provenance": None, "attest_form": "referrers"},
    ],
)
def test_what_asks_for_nothing_attests_nothing(values):
    assert not options_of(values)
    assert not options_of(values).is_in_index


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"sbom": "true"}, AttestOptions("spdx")),
        ({"sbom": ""}, AttestOptions("spdx")),
        ({"sbom": "cyclonedx"}, AttestOptions("cyclonedx")),
        ({"sbom": "format=cyclonedx"}, AttestOptions("cyclonedx")),
        ({"provenance": "mode=max"}, AttestOptions(provenance=True)),
        (
            {"provenance": "builder-id=https://ci.example/1"},
            AttestOptions(provenance=True, builder="https://ci.example/1"),
        ),
        ({"attest": ("type=sbom", "type=provenance,mode=min")}, AttestOptions("spdx", provenance=True)),
        ({"sbom": "true", "attest_form": "referrers"}, AttestOptions("spdx", form="referrers")),
    ],
)
def test_what_is_asked_for(values, options):
    assert options == options_of(values)
    assert options
    assert options.is_in_index == (options.form == "index")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"sbom": "generator=x"}, Unsupported),
        ({"provenance": "version=v0.2"}, Unsupported),
        ({"attest": ("type=vex",)}, Unsupported),
        ({"attest": ("mode=max",)}, UsageError),
        ({"sbom": "swid"}, UsageError),
        ({"sbom": "format=swid"}, UsageError),
        ({"sbom": "colour=red"}, UsageError),
        ({"attest": ("type=sbom,spdx",)}, UsageError),
        ({"provenance": "mode=all"}, UsageError),
        ({"provenance": "builder-id=me"}, UsageError),
        ({"provenance": "builder-id=a: b"}, UsageError),
    ],
)
def test_what_means_nothing_or_is_not_done_is_told_with_a_way_out(values, error):
    with pytest.raises(error) as caught:
        options_of(values)

    assert caught.value.hint or "URI" in caught.value.what


@pytest.mark.parametrize("sbom", ["foo", "SPDX", "format=foo"])
def test_another_format_is_refused_with_those_there_are(sbom):
    with pytest.raises(UsageError) as caught:
        options_of({"sbom": sbom})

    assert "spdx, cyclonedx" in f"{caught.value.hint}"


def test_nobody_vouches_for_a_local_build():
    assert "urn:ocitool:builder:local" == BUILDER == options_of({"provenance": "true"}).builder
