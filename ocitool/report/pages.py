"""The pages of `--html`, all of one design: what a name holds, what is wrong with it, how two names differ.

What registries say becomes part of a page through `report/html.py` alone, which escapes and bounds it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shlex import quote
from typing import Any, Final

from ocitool.change.difference import Change
from ocitool.check.engine import advice, reference
from ocitool.check.finding import Finding
from ocitool.check.formats import by_place, count, unseen
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import TagRule
from ocitool.check.runner import Checked
from ocitool.model.digest import Digest
from ocitool.model.printable import human
from ocitool.model.views import Descriptor, ImageConfig
from ocitool.report.compare import Comparison, FileChange, LayerChange, Pair
from ocitool.report.html import Html, code, definitions, element, join, lines, listed, page, some, table
from ocitool.report.survey import Attestation, Survey, SurveyedImage
from ocitool.report.text import totals

_SETTINGS: Final = (
    ("Entrypoint", "entrypoint"),
    ("Cmd", "cmd"),
    ("Env", "environment"),
    ("User", "user"),
    ("WorkingDir", "working directory"),
    ("ExposedPorts", "ports"),
    ("Volumes", "volumes"),
    ("StopSignal", "stop signal"),
    ("Labels", "labels"),
)
_NAMED: Final = 4
"""Images of a layer that are named; of more, how many there are."""


def survey_page(survey: Survey) -> str:
    """The page about what a name holds: platforms, a layer map drawn to scale, configs."""
    lead = [
        join(element("span", survey.kind, class_="mark"), code(survey.root.digest, whole=True), between=" "),
        survey.artifact_type or survey.root.media_type,
        *([survey.note] if survey.note else []),
    ]
    return page(survey.name, lead, _survey(survey))


def check_page(checked: Checked, rules: Iterable[Rule | TagRule]) -> str:
    """The page about what is wrong with names, platform by platform, and what to do about it."""
    names = [*dict.fromkeys((*checked.names, *(name for name, _ in checked.failed)))]
    title = names[0] if len(names) == 1 else f"{len(names)} names"
    return page(f"Check of {title}", [count(checked)], _check(checked, {rule.id: rule for rule in rules}))


def comparison_page(found: Comparison) -> str:
    """The page about how two names differ, platform by platform."""
    sides = [
        join(word, side.name, code(side.root.digest, whole=True), between=" ")
        for word, side in (("before:", found.before), ("after:", found.after))
    ]
    told = "They are equal." if found.is_equal else "They differ."
    return page(f"{found.before.name} and {found.after.name}", [told, *sides], _comparison(found))


def _survey(survey: Survey) -> Iterator[Html]:
    if survey.annotations:
        yield element("h2", "Annotations")
        yield definitions(survey.annotations)
    if survey.images:
        yield element("h2", "Platforms")
        yield _platforms(survey)
        yield element("h2", "Layers")
        yield from _layers(survey)
        yield element("h2", "Configs")
        yield from some([*enumerate(survey.images)], lambda one: _config(*one), _paragraph)
    referrers = [_other(one) for one in survey.referrers]
    if referrers:
        yield element("h2", "Referrers")
        yield listed(referrers)
    rest = [*map(_other, survey.others), *map(_attestation, survey.orphans)]
    if rest:
        yield element("h2", "Also listed")
        yield listed(rest)


def _platforms(survey: Survey) -> Html:
    def cells(one: tuple[int, SurveyedImage]) -> tuple[str, ...]:
        number, image = one
        return (
            element("a", image.label, href=f"#config-{number}"),
            code(image.descriptor.digest),
            human(image.size) if image.manifest else "",
            image.config.created if image.config else "",
            str(len(image.layers)) if image.manifest else "",
            _remarks(image),
        )

    return table(
        totals(survey),
        ("platform", "digest", "compressed size", "created", "layers", "remarks"),
        [*enumerate(survey.images)],
        cells,
        frozenset({2, 4}),
    )


def _remarks(image: SurveyedImage) -> Html:
    marks = [element("span", k, class_="mark") for a in image.attestations for k in a.kinds or ("attestation",)]
    says = image.config.platform if image.config else None
    if says is not None and image.platform is not None and not says.same(image.platform):
        marks.append(element("span", f"its config says {says}", class_="error"))
    if image.problem:
        marks.append(element("span", image.problem, class_="error"))
    return join(*some(marks, join), between=" ")


def _layers(survey: Survey) -> Iterator[Html]:
    """A bar for each image, all to one scale, and below them what their numbers and colours stand for."""
    shared = survey.layers
    numbers = {digest: number for number, digest in enumerate(shared, 1)}
    among = [digest for digest, (_, images) in shared.items() if images > 1]
    colours = {digest: _colour(number) for number, digest in enumerate(among)}
    scale = max(image.size for image in survey.images) or 1
    made: dict[Digest, str] = {}
    within: dict[Digest, dict[str, None]] = {}
    for image in survey.images:
        steps = [step.created_by for step in image.config.history if not step.empty_layer] if image.config else []
        for number, layer in enumerate(image.layers):
            made.setdefault(layer.digest, steps[number] if len(steps) == len(image.layers) else "")
            if shared[layer.digest][1] <= _NAMED:
                within.setdefault(layer.digest, {})[image.label] = None

    def segment(layer: Descriptor) -> Html:
        style = f"width:{100 * layer.size / scale:.4f}%{colours.get(layer.digest, '')}"
        return element("span", str(numbers[layer.digest]), class_="layer", style=style)

    def bar(image: SurveyedImage) -> Html:
        told = f"{image.label}: {human(image.size)} in layers " + ", ".join(
            str(numbers[layer.digest]) for layer in image.layers
        )
        drawn = element("div", *some(image.layers, segment), class_="bar", role="img", aria_label=told)
        return join(element("div", image.label), element("div", human(image.size), class_="number"), drawn)

    def cells(digest: Digest) -> tuple[str, ...]:
        layer, images = shared[digest]
        swatch = element(
            "span", str(numbers[digest]), class_="layer", style=colours.get(digest, "").lstrip(";") or False
        )
        is_everywhere = images == len(survey.images) > 1
        where = f"{'all ' if is_everywhere else ''}{images} images"
        if digest in within and not is_everywhere:
            where = ", ".join(within[digest])
        return swatch, code(digest), human(layer.size), where, made[digest]

    drawn = [image for image in survey.images if image.manifest]
    yield element("div", *some(drawn, bar, lambda told: element("div", told)), class_="map")
    columns = ("layer", "digest", "compressed size", "in", "made by")
    yield table("What the numbers stand for", columns, [*shared], cells, frozenset({2}))


def _colour(number: int) -> str:
    """Colours that stay apart for any number of them: steps of the golden angle around the wheel."""
    return f";background:hsl({round(205 + number * 137.508) % 360} 55% 72%)"


def _config(number: int, image: SurveyedImage) -> Html:
    annotations = dict(image.manifest.annotations) if image.manifest else {}
    annotations |= image.descriptor.annotations
    parts = [
        element("summary", image.label),
        # A link to what is inside opens it; a link to the element itself does not.
        element("p", code(image.descriptor.digest, whole=True), id=f"config-{number}"),
        *(_config_parts(image.config) if image.config else [_paragraph(image.problem or "no config")]),
    ]
    if annotations:
        parts += [element("h3", "Annotations"), definitions(annotations)]
    if image.attestations:
        parts += [element("h3", "Attestations"), listed([*map(_attestation, image.attestations)])]
    if image.referrers:
        parts += [element("h3", "Referrers"), listed([*map(_other, image.referrers)])]
    return element("details", *parts, open=number == 0)


def _config_parts(config: ImageConfig) -> Iterator[Html]:
    said = {name: config.settings.get(key) for key, name in _SETTINGS}
    yield definitions({name: _setting(value) for name, value in said.items() if value not in (None, "", [], {})})
    if config.history:
        steps = [
            element("li", element("code", step.created_by), class_="empty" if step.empty_layer else "filled")
            for step in config.history
        ]
        yield element("h3", "History")
        yield listed(steps, "ol")


def _setting(value: Any) -> Html:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return lines([_value(one) for one in value])
    if isinstance(value, Mapping):
        return lines([f"{k}={v}" if isinstance(v, str) else str(k) for k, v in value.items()])
    return join(str(value))


def _value(value: Any) -> str:  # noqa: ANN401 - JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _attestation(one: Attestation) -> Html:
    kinds = ", ".join(one.kinds) or "attestation"
    return join(kinds, code(one.descriptor.digest, whole=True), between=" ")


def _other(other: Descriptor) -> Html:
    return join(other.artifact_type or other.media_type, code(other.digest, whole=True), between=" ")


def _paragraph(text: str) -> Html:
    return element("p", text)


def _check(checked: Checked, rules: Mapping[str, Rule | TagRule]) -> Iterator[Html]:
    places = by_place(checked)
    if checked.failed or checked.unanswered:
        yield element("h2", "Could not be looked at")
        yield listed(unseen(checked))
    broken = [(where, found) for where, found in places.items() if found]
    yield from some(broken, lambda one: _place(*one, rules), _paragraph)
    healthy = [where for where, found in places.items() if not found]
    if healthy:
        yield element("h2", "Nothing wrong")
        yield listed(healthy)
    told = [rules[name] for name in dict.fromkeys(one.rule for one in checked.findings) if name in rules]
    if told:
        yield element("h2", "Rules")
        yield from map(_rule, told)


def _place(where: str, found: list[Finding], rules: Mapping[str, Rule | TagRule]) -> Html:
    """What is wrong in one place: what is about one platform stands together."""
    labels = {label: number for number, label in enumerate(dict.fromkeys(one.at.label for one in found))}

    def cells(one: Finding) -> tuple[str, ...]:
        grave = "allowed" if one.allowed else one.severity.value
        inside = [f"{one.at.inside}: "] if one.at.inside else []
        allowed = [f" (allowed: {one.allowed})"] if one.allowed else []
        return (
            one.at.label or "all of it",
            element("span", grave, class_=grave),
            join(*inside, one.message, *allowed),
            element("a", one.rule, href=f"#{one.rule}"),
        )

    columns = ("platform", "severity", "what is wrong", "rule")
    ordered = sorted(found, key=lambda one: labels[one.at.label])
    parts = [element("h2", where), table(f"Findings in {where}", columns, ordered, cells)]
    mended = [rules[one.rule] for one in found if one.fixable and not one.allowed and one.rule in rules]
    if mended:
        deep = " --deep" if any(rule.needs_deep for rule in mended) else ""
        command = element("code", f"ocitool repair {quote(where)}{deep}")
        parts.append(element("p", command, " shows what would mend this."))
    return join(*parts)


def _rule(rule: Rule | TagRule) -> Html:
    """What a rule is about and what to do, with its page as a link where the pages have an address."""
    link, todo = reference(rule.id), advice(rule).split("`")
    is_link = "://" in link
    more = element("a", link, href=link) if is_link else element("code", f"ocitool explain {rule.id}")
    return join(
        element("h3", rule.id, id=rule.id),
        element("p", f"{rule.title}. {rule.reason}"),
        element("p", "What to do: ", *(element("code", t) if n % 2 else t for n, t in enumerate(todo))),
        element("p", "More about it: ", more),
    )


def _comparison(found: Comparison) -> Iterator[Html]:
    if found.fields:
        yield element("h2", "The name itself")
        yield _fields("the name itself", found.fields)
    rows: list[tuple[str, ...]] = []
    for number, pair in enumerate(found.pairs):
        digests = (code(side.descriptor.digest) for side in (pair.before, pair.after))
        name = pair.platform if pair.is_equal else element("a", pair.platform, href=f"#platform-{number}")
        rows.append((name, *digests, _amounts(pair)))
    rows += [(one.label, code(one.descriptor.digest), "", "removed") for one in found.removed]
    rows += [(one.label, "", code(one.descriptor.digest), "added") for one in found.added]
    if rows:
        yield element("h2", "Platforms")
        yield table("Platforms of both", ("platform", "before", "after", "difference"), rows, tuple)
    differing = [(number, pair) for number, pair in enumerate(found.pairs) if not pair.is_equal]
    yield from some(differing, lambda one: _pair(*one), _paragraph)


def _amounts(pair: Pair) -> str:
    files = pair.files.changes if pair.files else ()
    amounts = (("field", pair.fields), ("layer", pair.layers), ("file", files))
    told = [f"{len(changes)} {word}{'s' if len(changes) != 1 else ''}" for word, changes in amounts if changes]
    return ", ".join(told) or "equal"


def _pair(number: int, pair: Pair) -> Html:
    parts = [element("h2", pair.platform, id=f"platform-{number}")]
    if pair.fields:
        parts.append(_fields(pair.platform, pair.fields))
    if pair.layers:
        parts.append(
            table(
                f"Layers of {pair.platform}",
                ("layer", "difference", "digest", "compressed size"),
                pair.layers,
                _layer,
                frozenset({3}),
            )
        )
    if pair.files and pair.files.changes:
        parts.append(table(f"Files of {pair.platform}", ("path", "difference", "in"), pair.files.changes, _file))
    if pair.note:
        parts.append(_paragraph(f"{pair.note[:1].upper()}{pair.note[1:]}."))
    return join(*parts)


def _fields(of: str, fields: Sequence[tuple[str, Change]]) -> Html:
    def cells(one: tuple[str, Change]) -> tuple[str, ...]:
        where, change = one
        values = ("" if value is None else _value(value) for value in (change.before, change.after))
        return f"{where} {change.pointer}".strip(), change.kind, *values

    return table(f"Fields of {of}", ("field", "difference", "before", "after"), fields, cells)


def _layer(one: LayerChange) -> tuple[str, ...]:
    same = ", the same tar compressed otherwise" if one.same_tar else ""
    return str(one.number + 1), f"{one.kind}{same}", code(one.layer.digest), human(one.layer.size)


def _file(one: FileChange) -> tuple[str, ...]:
    return f"/{one.path}", one.kind, ", ".join(one.what)
