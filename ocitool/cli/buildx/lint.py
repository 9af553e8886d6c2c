"""`build --check` and `--call`: a Dockerfile looked at instead of built."""

import json

from ocitool.builder.request import BuildRequest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome, clean, error_lines, error_tree, exit_code
from ocitool.dockerfile.lint.formats import as_github, as_sarif
from ocitool.dockerfile.lint.text import as_text
from ocitool.dockerfile.outline import sources, targets, targets_text, targets_tree
from ocitool.version import __version__


def look(app: App, request: BuildRequest, method: str, form: str) -> Outcome:
    """What a method of --call other than to build tells of the Dockerfile."""
    if method == "check":
        app.console.as_json = app.console.as_json or form == "json"
        return check(app, request, form)
    file, found, data = app.client.outline_dockerfile(request)
    if method == "targets":
        tree, text = targets_tree(targets(file), data), targets_text(targets(file))
    else:
        tree, text = {**found.to_tree(), **sources(data)}, found.text
    if form == "json":  # buildx's own tree, without our envelope
        return Outcome(tree, raw=f"{json.dumps(tree, indent=2, ensure_ascii=False)}\n".encode())
    return Outcome(tree, "\n".join(map(clean, text.removesuffix("\n").split("\n"))))


def check(app: App, request: BuildRequest, form: str) -> Outcome:
    """What the checks find, and the error that a build would end in, as text or in one of buildx.FORMS.

    Exit code 1 if more than notes are found; that of the error, if there is one.
    """
    report, text = app.client.check_dockerfile(request)
    data = report.to_tree()
    if form == "sarif":
        told = as_sarif(report, __version__)
    elif form == "github":
        told = as_github(report)
    else:
        told = "\n".join(map(clean, as_text(report, text.removesuffix("\n").split("\n")).split("\n")))
        if report.problem is not None:
            told = "\n".join([told, "", *error_lines(report.problem)])
    if report.problem is not None:
        return Outcome({**data, "problem": error_tree(report.problem)}, told, exit_code(report.problem))
    return Outcome(data, told, 1 if report.counting else 0)
