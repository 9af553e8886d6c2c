"""`build --check`: a Dockerfile looked at instead of built."""

from ocitool.build.dockerfile.lint.text import as_text
from ocitool.build.dockerfile.recipe import check_recipe
from ocitool.build.project import find_spec
from ocitool.build.request import BuildRequest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome, clean, error_lines, error_tree, exit_code


def check(app: App, request: BuildRequest) -> Outcome:
    """What the checks find, and the error that a build would end in.

    Exit code 1 if more than notes are found; that of the error, if there is one.
    """
    spec = find_spec(request.source, request.spec_file, request.environ, version=request.version)
    platforms = request.platforms or spec.platforms or (app.host,)
    report, text = check_recipe(request.source, request.dockerfile, platforms, app.host, spec.stages)
    told = as_text(report, text.removesuffix("\n").split("\n"))
    data, told = report.to_tree(), "\n".join(map(clean, told.split("\n")))
    if report.problem is not None:
        told = "\n".join([told, "", *error_lines(report.problem)])
        return Outcome({**data, "problem": error_tree(report.problem)}, told, exit_code(report.problem))
    return Outcome(data, told, 1 if report.counting else 0)
