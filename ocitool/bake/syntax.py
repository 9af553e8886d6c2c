"""HCL and its JSON form as bodies of expressions, within bounds. Only importer of hcl2 and lark."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ocitool.bake.values import normal
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.model.document import parse
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    from lark import Token, Tree

BLOCKS: Final = ("variable", "function", "group", "target")
"""The blocks that a file may have."""
FILE_LIMIT: Final = 128 * 1024
"""Most bytes of a bake file; those of public repositories have a few KiB."""
_DEPTH: Final = 60
_SPACE: Final = re.compile(r"\s{400}")
"""The grammar's pattern of a heredoc takes the square of the white space that it meets."""
_SYMBOLS: Final = {
    "DOUBLE_EQ": "==", "NEQ": "!=", "LT": "<", "GT": ">", "LEQ": "<=", "GEQ": ">=", "MINUS": "-", "ASTERISK": "*",
    "SLASH": "/", "PERCENT": "%", "DOUBLE_AMP": "&&", "DOUBLE_PIPE": "||", "PLUS": "+", "NOT": "!",
}  # fmt: skip
_KEPT: Final = frozenset(
    {"NAME", "NULL", "TRUE", "FALSE", "INT_LITERAL", "FLOAT_LITERAL", "STRING_CHARS", "ELLIPSIS"}
    | {"ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE", "HEREDOC_TEMPLATE", "HEREDOC_TEMPLATE_TRIM"}
    | {"IF", "IN", "FOR", "FOR_EACH", "ELSE", "ENDIF", "ENDFOR"}
)
_NOT_EVALUATED: Final = {
    "template_if_start": "%{ if }",
    "template_else": "%{ else }",
    "template_endif": "%{ endif }",
    "template_for_start": "%{ for }",
    "template_endfor": "%{ endfor }",
    "attr_splat_expr_term": ".*",
    "full_splat_expr_term": "[*]",
}
_WRAPPERS: Final = frozenset({"expr_term", "string_part", "interpolation"})
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression: its kind, its parts, and the line it begins on (0 in JSON).

    Kinds are those of the grammar; `text` has a text for its only part, `string` is a template of such and others.
    """

    kind: str
    parts: tuple[Any, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A block such as `target "app" { … }`: where it stands, its type and name, its attributes and blocks."""

    where: str
    kind: str
    name: str
    attributes: Mapping[str, Expression] = field(hash=False)
    blocks: tuple["Block", ...] = ()


@dataclass(frozen=True, slots=True)
class BakeBody:
    """What a file says: its attributes, and its blocks in their order."""

    attributes: Mapping[str, Expression] = field(hash=False)
    blocks: tuple[Block, ...]


def read_body(data: bytes, name: str) -> BakeBody:
    """A bake file as buildx takes it: JSON by the name `.json`, HCL by `.hcl`, else whichever it is.

    Raises UsageError for what is neither, Unsupported for what is not evaluated here.
    """
    if len(data) > FILE_LIMIT:
        raise UsageError(f"{name} has more than {FILE_LIMIT // 1024} KiB", hint="a bake file lists what is built")
    if name.endswith(".json") or (not name.endswith(".hcl") and data.lstrip()[:1] == b"{"):
        return _read_json(data, name)
    try:
        return _body(_parse(data.decode("utf-8-sig"), name), name)
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8") from None


def _parse(text: str, name: str) -> Expression:
    """HCL as the nodes of its grammar. Raises UsageError, Unsupported."""
    import hcl2
    from lark import Tree
    from lark.exceptions import UnexpectedInput

    if _SPACE.search(text):
        raise UsageError(f"{name} has 400 blanks and empty lines on end", hint="leave some of them out")
    try:
        tree = hcl2.parses_to_tree(text)
    except UnexpectedInput as error:
        line = error.line if error.line and error.line > 0 else text.count("\n") + 1
        shown = text.split("\n")[min(line, text.count("\n") + 1) - 1].strip()[:60]
        raise UsageError(f"{name}:{line}: not HCL: {shown!r}", hint="or what this reader does not know") from None
    made: dict[int, tuple[Expression, int]] = {}
    for one in tree.iter_subtrees():  # what is below comes first
        parts: list[Any] = []
        depth = 0
        for child in one.children:
            if isinstance(child, Tree):
                node, below = made[id(child)]
                if node.kind != "new_line_or_comment":
                    parts.append(node)
                    depth = max(depth, below)
            elif child.type in _SYMBOLS:
                parts.append(_SYMBOLS[child.type])
            elif child.type in _KEPT:
                parts.append(str(child))
        made[id(one)] = _node(one, tuple(parts), depth, name)
        if made[id(one)][1] > _DEPTH:
            raise UsageError(f"{name}:{made[id(one)][0].line}: nested more than {_DEPTH} levels")
    return made[id(tree)][0]


def _node(tree: "Tree[Token]", parts: tuple[Any, ...], depth: int, name: str) -> tuple[Expression, int]:
    """A node of the tree with how deep it is; parentheses and the like are what they hold."""
    kind, line = tree.data, getattr(tree.meta, "line", 0)
    if kind in _NOT_EVALUATED:
        what = _NOT_EVALUATED[kind]
        raise Unsupported(f"{name}:{line}: {what} of HCL is not evaluated here", ability=what, hint="use a ? b : c")
    if kind in _WRAPPERS and len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0], depth
    if kind == "string_part":
        return _text(_literal(parts[0], f"{name}:{line}"), line), depth
    if kind in {"heredoc_template", "heredoc_template_trim"}:
        return _template(_heredoc(parts[0], trims=kind.endswith("trim")), f"{name}:{line}", line), depth
    return Expression(kind, parts, line), depth + 1


def _literal(text: str, where: str) -> str:
    """What stands between the quotes of a string, with its escapes read."""
    if text.startswith(("$${", "%%{")):
        if '"' in text or "\n" in text:
            raise UsageError(f"{where}: {text[:3]} without a }} in its string", hint='write "$" and "{" apart')
        text = text[1:]

    def read(match: re.Match[str]) -> str:
        said = match[1]
        if said in _ESCAPED:
            return _ESCAPED[said]
        if (
            said[0] in "uU"
            and len(said) > 1
            and int(said[1:], 16) < 0x110000
            and not 0xD800 <= int(said[1:], 16) < 0xE000
        ):
            return chr(int(said[1:], 16))
        raise UsageError(f"{where}: no escape of HCL: \\{said[:1]}", hint=r"there are \n \r \t \" \\ and \uNNNN")

    return _ESCAPE.sub(read, text)


def _heredoc(token: str, *, trims: bool) -> str:
    """The lines of a heredoc; with `trims` less by the blanks that all of them begin with."""
    lines = token.rstrip("\r\n").split("\n")[1:-1]
    if trims:
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        lines = [line[margin:] if line.strip() else line for line in lines]
    return "".join(f"{line}\n" for line in lines)


def _template(text: str, where: str, line: int = 0) -> Expression:
    """A text with `${…}` in it, as heredocs and the strings of JSON are."""
    parts: list[Expression] = []
    literal, at = "", 0
    for match in re.finditer(r"\$\$\{|%%\{|\$\{|%\{", text):
        if match.start() < at:
            continue
        literal += text[at : match.start()]
        if match[0] == "%{":
            raise Unsupported(f"{where}: %{{ of HCL is not evaluated here", ability="%{", hint="use a ? b : c")
        if match[0] != "${":
            literal, at = literal + match[0][1:], match.end()
            continue
        end = _end(text, match.end(), where)
        parts += [_text(literal, line), read_expression(text[match.end() : end], where)]
        literal, at = "", end + 1
    return Expression("string", (*parts, _text(literal + text[at:], line)), line)


def _text(text: str, line: int) -> Expression:
    return Expression("text", (normal(text),), line)


def read_expression(text: str, where: str) -> Expression:
    """An expression that stands in a text. Raises UsageError, Unsupported."""
    (*others, attribute) = _parse(f"x = (\n{text}\n)", where).parts[0].parts
    if others:
        raise UsageError(f"{where}: not HCL: {text.strip()[:60]!r}")
    return attribute.parts[-1]  # type: ignore[no-any-return]


def _end(text: str, at: int, where: str) -> int:
    """Where the brace is that ends an interpolation which begins at `at`."""
    inside = ["{"]
    while at < len(text):
        mark = text[at]
        if inside[-1] == '"':
            if mark == "\\":
                at += 1
            elif text.startswith("${", at):
                inside.append("{")
                at += 1
            elif mark == '"':
                inside.pop()
        elif mark == "}":
            inside.pop()
            if not inside:
                return at
        elif mark in '"{':
            inside.append(mark)
        at += 1
    raise UsageError(f"{where}: ${{ without an end", hint="write $${ for the two signs themselves")


def _body(start: Expression, name: str) -> BakeBody:
    """The body of a file."""
    return BakeBody(*_contents(start.parts[0], name))


def _contents(body: Expression, name: str) -> tuple[dict[str, Expression], tuple[Block, ...]]:
    attributes: dict[str, Expression] = {}
    blocks: list[Block] = []
    for one in body.parts:
        words = [_word(part) for part in one.parts[:-1]]
        where = f"{name}:{one.line}"
        if one.kind == "attribute":
            if words[0] in attributes:
                raise UsageError(f"{where}: {words[0]} is set twice")
            attributes[words[0]] = one.parts[-1]
        elif len(words) > 2:
            raise UsageError(f"{where}: a block {words[0]} has one name, and not {len(words) - 1}")
        else:
            blocks.append(
                Block(where, words[0], words[-1] if len(words) > 1 else "", *_contents(one.parts[-1], name))
            )
    return attributes, tuple(blocks)


def _word(node: Expression) -> str:
    """An identifier or a quoted label."""
    return "".join(_word(part) if isinstance(part, Expression) else part for part in node.parts)


def _read_json(data: bytes, name: str) -> BakeBody:
    """A file in JSON: what is a block in HCL is an object by its name, or a list of such."""
    try:
        parse(data)  # within bounds
        tree = json.loads(data, parse_float=Decimal)
    except MalformedDocument as error:
        raise UsageError(f"{name}: {error.what}", hint=error.hint) from None
    attributes: dict[str, Expression] = {}
    blocks: list[Block] = []
    for tree_of in tree if isinstance(tree, list) else [tree]:
        if not isinstance(tree_of, dict):
            raise UsageError(f"{name} is no object of targets", hint='as in {"target": {"app": {}}}')
        for key, value in tree_of.items():
            if key in BLOCKS:
                blocks += _json_blocks(key, value, name)
            elif key != "//":
                attributes[key] = _json_node(value, name)
    return BakeBody(attributes, tuple(blocks))


def _json_blocks(kind: str, value: object, name: str) -> Iterator[Block]:
    for by_name in value if isinstance(value, list) else [value]:
        for label, content in by_name.items() if isinstance(by_name, dict) else ():
            where = f"{name}: {kind}.{label}"
            for one in content if isinstance(content, list) else [content]:
                if not isinstance(one, dict):
                    raise UsageError(f"{where} is no object")
                inner = tuple(_json_inner(one.get("validation"), where)) if kind == "variable" else ()
                attributes = {
                    key: _json_node(one[key], where)
                    for key in one
                    if key != "//" and not (kind == "variable" and key == "validation")
                }
                yield Block(where, kind, label, attributes, inner)


def _json_inner(value: object, where: str) -> Iterator[Block]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield Block(where, "validation", "", {key: _json_node(one[key], where) for key in one})


def _json_node(value: object, where: str) -> Expression:
    """A value of JSON as an expression; texts are templates."""
    make: Callable[[object], Expression] = lambda one: _json_node(one, where)  # noqa: E731
    match value:
        case None | bool():
            return Expression("literal_value", (json.dumps(value),))
        case int() | Decimal():
            return Expression("int_lit", (str(value),))
        case str():
            return _template(value, where)
        case list():
            return Expression("tuple", tuple(map(make, value)))
        case dict():
            pairs = (
                (Expression("object_elem_key", (_template(key, where),)), make(one)) for key, one in value.items()
            )
            return Expression("object", tuple(Expression("object_elem", pair) for pair in pairs))
    raise UsageError(f"{where}: no value of a bake file")
