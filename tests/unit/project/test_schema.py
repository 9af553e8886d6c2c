"""The schema: published as it is, and read by us as everybody reads it."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from ocitool.project.schema import SCHEMA, problems

PUBLISHED = Path(__file__).parents[3] / "docs" / "reference" / "ocitool-toml.schema.json"


def test_the_published_schema_is_the_one_that_validates():
    assert SCHEMA == json.loads(PUBLISHED.read_text())


def test_the_schema_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = 'a'",
        "name = '-a'",
        "name = 1",
        "platforms = []",
        "platforms = ['']",
        "platforms = [1]",
        "index = 'true'",
        "format = 'x'",
        "x = 1",
        "[go]\nx = 1",
        "[go]\nenv = {A = '1'}",
        "[go]\nenv = {'A=' = '1'}",
        "[go]\nenv = {A = 1}",
        "[command]\nrun = []",
        "[command]\nrun = ['x']\nparallel = true",
        "program = []",
        "[[program]]\nname = 'a'",
        "[[program]]\npackage = 'a'",
        "[platform.'x/y']\nbase = 'b'",
        "[platform.'x/y']\nname = 'b'",
        "[image]\nenv = {'' = 'x'}",
        "image = 'x'",
        "image = []",
        "[[image]]\nname = 'a'\nentrypoint = ['x']\n[[image.program]]\nname = 'p'",
        "[[image]]\nentrypoint = ['x']",
        "[[image]]\nname = 'a'\nimage = {}",
        "[[image]]\nname = 'a'\nversion = '1'",
        "[config]\nuser = 'x'\n[[image]]\nname = 'a'\n[image.labels]\na = 1",
        "version = 2020-01-01",
        "version = 1.5",
        "go = []",
    ],
)
def test_our_verdict_is_that_of_json_schema(text):
    tree = tomllib.loads(text)
    validator = jsonschema.Draft202012Validator(SCHEMA)

    assert validator.is_valid(tree) == (not list(problems(tree, SCHEMA)))


def test_the_schema_uses_no_keyword_that_we_do_not_check():
    known = {
        "$schema", "$id", "title", "description", "type", "properties", "additionalProperties", "required", "items",
        "minItems", "minLength", "enum", "pattern", "propertyNames", "oneOf",
    }  # fmt: skip

    def keywords(schema: dict) -> set[str]:
        found = set(schema)
        for inner in (
            *schema.get("properties", {}).values(),
            *schema.get("oneOf", ()),
            schema.get("items"),
            schema.get("additionalProperties"),
        ):
            if isinstance(inner, dict):
                found |= keywords(inner)
        return found

    assert set() == keywords(SCHEMA) - known
