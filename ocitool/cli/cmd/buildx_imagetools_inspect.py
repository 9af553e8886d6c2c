"""`ocitool buildx imagetools inspect`: an image as docker shows it, or by a template."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders, imagetools, template
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import Unsupported, UsageError
from ocitool.model.reference import Reference


@click.command()
@click.argument("name")
@click.option("--raw", is_flag=True, help="The exact bytes of the manifest.")
@click.option("--format", "form", default="", metavar="TEMPLATE", help="As in {{json .Manifest}} or {{.Name}}.")
@builders.takes("--builder")
@options.common
def command(app: App, *, name: str, raw: bool, form: str) -> Outcome:
    """Show what NAME holds in its registry: names, types, digests and platforms."""
    if raw and form:
        raise UsageError("--raw and --format do not go together")
    document = app.client.manifest(name)
    if raw:
        return Outcome({"manifest": document.tree()}, raw=document.raw)
    reference = Reference.parse(name)
    if not form or form in {"{{.Manifest}}", "{{ .Manifest }}"}:
        return Outcome(
            {"manifest": document.tree(), "digest": document.digest}, imagetools.listed(reference, document)
        )
    for word in ("SBOM", "Provenance"):
        if f".{word}" in form:
            raise Unsupported(
                f"{{{{.{word}}}}} is not read here",
                ability=word,
                hint=f"ocitool sbom {name} lists what is in it; ocitool referrers {name} shows what is attached",
            )
    configs = "Image" in form or "image" in form or "json .}}" in form.replace(" }}", "}}")
    tree = imagetools.answer(app.client, name, document, configs=configs)
    return Outcome(tree, template.fill(form, tree), is_exact=True)
