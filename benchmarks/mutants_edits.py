"""The mutants of a module: one small edit of its source each, found with `ast`. `benchmarks/mutants.py` tests them.

Edits are another operator, boundary, constant or function, a condition turned round, a result that is None, and a call,
keyword, sign or `exp` less. Docstrings, annotations, imports, errors that are raised and f-strings stay as they are.
"""

import ast
import builtins
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IDENTITY = ("file", "function", "original", "mutated")

OPERATORS = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.MatMult: ("@", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
    ast.RShift: (">>", "<<"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
COMPARISONS = {
    ast.Lt: ("<", "<=", ">="), ast.LtE: ("<=", "<", ">"), ast.Gt: (">", ">=", "<="), ast.GtE: (">=", ">", "<"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
PAIRS = (
    ("min", "max"), ("argmin", "argmax"), ("minimum", "maximum"), ("mean", "sum"), ("reduce_mean", "reduce_sum"),
    ("any", "all"), ("zeros", "ones"), ("zeros_like", "ones_like"),
)  # fmt: skip
FUNCTIONS = {**dict(PAIRS), **{b: a for a, b in PAIRS}}
UNWRAPPED = {"exp", "log", "log1p", "sqrt", "abs"}  # f(x) -> (x)
TEXTS = {"name", "stacklevel", "message"}  # keywords that only name something
UNSEEN = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)  # messages and imports are not mutated
UNSEEN_FIELDS = {"annotation", "returns", "decorator_list", "bases"}


@dataclass(frozen=True)
class Mutant:
    """One edit of a module: the source that replaces it, and where the edit lies.

    Attributes:
        file, line, function: where; `function` is "" at the level of the module.
        original, mutated: the lines that the edit touches, before and after.
        span: lines whose tests are concerned, first and last; None at the level of a module or a class.
        names: what the statement gives a value.
        source: the whole module after the edit.
    """

    file: str
    line: int
    function: str
    original: str
    mutated: str
    span: tuple[int, int] | None
    names: frozenset[str]
    source: str

    @property
    def identity(self) -> tuple[str, ...]:
        return tuple(str(getattr(self, name)) for name in IDENTITY)


@functools.cache
def required() -> dict[str, set[str]]:
    """Names of the parameters and fields without a default, by function or class of the package."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "vade_tf").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and each.value is None]
                found.setdefault(node.name, set()).update(each.target.id for each in fields)
            if isinstance(node, ast.FunctionDef):
                a = node.args
                bare = [*a.posonlyargs, *a.args][: len(a.posonlyargs) + len(a.args) - len(a.defaults)]
                bare += [arg for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is None]
                found.setdefault(node.name, set()).update(arg.arg for arg in bare)
    return found


def walk(node: ast.AST, scope: str, statement: ast.stmt | None) -> Iterator[tuple[ast.AST, str, ast.stmt | None]]:
    """Every node that may be mutated, with the name of the function and the statement around it."""
    yield node, scope, statement
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            fixed = isinstance(child, ast.keyword) and child.arg in (*TEXTS, "axis")  # `call_edits` has the axes
            if not isinstance(child, ast.AST) or isinstance(child, UNSEEN) or fixed or field in UNSEEN_FIELDS:
                continue
            within = scope
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                within = f"{scope}.{child.name}".lstrip(".")
            yield from walk(child, within, child if isinstance(child, ast.stmt) else statement)


class Text:
    """A source as bytes, with the places of nodes in it."""

    def __init__(self, source: str):
        self.bytes = source.encode()
        self.starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def begin(self, node) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def token(self, left, right, old: str) -> tuple[int, int]:
        """Place of an operator between two nodes."""
        at = self.bytes.index(old.encode(), self.end(left), self.begin(right))
        return at, at + len(old)


def edits(node, text: Text) -> Iterator[tuple[int, int, str]]:
    """Mutations of one node: begin and end of what is replaced, and by what."""
    whole = (text.begin(node), text.end(node)) if hasattr(node, "lineno") else (0, 0)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        old, new = OPERATORS[type(node.op)]
        yield *text.token(node.left, node.right, old), new
    elif isinstance(node, ast.BoolOp):
        old, new = OPERATORS[type(node.op)]
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield *text.token(left, right, old), new
    elif isinstance(node, ast.Compare):
        for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            old, *others = COMPARISONS[type(op)]
            for new in others:
                yield *text.token(left, right, old), new
    elif isinstance(node, ast.UnaryOp):
        sign = {ast.Not: "not", ast.USub: "-", ast.Invert: "~"}[type(node.op)]
        yield whole[0], whole[0] + len(sign), " " if sign == "not" else ""
    elif isinstance(node, ast.Constant):
        yield from ((*whole, new) for new in constants(node.value))
    elif isinstance(node, ast.AugAssign):
        old, new = OPERATORS[type(node.op)]
        yield *text.token(node.target, node.value, old + "="), new + "="
        yield *whole, "pass"
    elif isinstance(node, (ast.Break, ast.Continue)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield *whole, "pass"
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield text.begin(node.value), text.end(node), "None"
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
        begin, end = text.begin(node.test), text.end(node.test)
        yield begin, end, f"not ({text.bytes[begin:end].decode()})"
    elif isinstance(node, ast.Call):
        yield from call_edits(node, text)


def constants(value) -> Iterator[str]:
    """What a constant becomes."""
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        yield str(value + 1)
    elif isinstance(value, float):
        yield repr(2 * value if 0 < abs(value) < 0.01 else value + 1)


def call_edits(node: ast.Call, text: Text) -> Iterator[tuple[int, int, str]]:
    """Another function, the argument alone, or one keyword less; an axis is the other one instead."""
    name, end = ast.unparse(node.func).split(".")[-1], text.end(node.func)
    new = FUNCTIONS.get(name)
    if new and (isinstance(node.func, ast.Attribute) or hasattr(builtins, new)):
        yield end - len(name), end, new
    if name in UNWRAPPED and len(node.args) == 1 and not node.keywords:
        yield text.begin(node), end, ""
    for keyword in node.keywords:
        begin, stop = text.begin(keyword), text.end(keyword)
        if keyword.arg == "axis":
            yield begin, stop, f"axis={1 if ast.unparse(keyword.value) == '0' else 0}"
        if (
            keyword.arg in (None, *TEXTS)
            or keyword.arg in required().get(name, ())
            or "raw_ops" in ast.unparse(node.func)
        ):
            continue
        before = text.bytes.rfind(b",", end, begin)
        if before >= 0:
            yield before, stop, ""
        else:
            yield begin, stop + len(re.match(rb"\s*,?\s*", text.bytes[stop:])[0]), ""


def span_of(scope: str, statement: ast.stmt | None, tree: ast.Module) -> tuple[int, int] | None:
    """Lines that a test must run to be concerned by a mutant of this statement; None where an import runs it."""
    if statement is None or not scope:
        return None
    if isinstance(statement, ast.FunctionDef):  # a default
        return statement.body[0].lineno, statement.end_lineno or 0
    inside = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and statement in ast.walk(each)]
    if not inside:
        return None
    body = getattr(statement, "body", None)
    return statement.lineno, max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno or 0


def defined(statement: ast.stmt | None) -> frozenset[str]:
    """Names that an assignment gives a value."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    found = (each for target in targets if target is not None for each in ast.walk(target))
    return frozenset(each.id for each in found if isinstance(each, ast.Name))


def mutants(file: str) -> list[Mutant]:
    """All mutants of a module."""
    source = (ROOT / file).read_text()
    tree, text, found = ast.parse(source), Text(source), {}
    for node, scope, statement in walk(tree, "", None):
        for begin, end, new in edits(node, text):
            changed = text.bytes[:begin] + new.encode() + text.bytes[end:]
            try:
                if ast.dump(ast.parse(changed)) == ast.dump(tree):
                    continue
            except SyntaxError:
                continue
            first, last = text.bytes.rfind(b"\n", 0, begin) + 1, text.bytes.find(b"\n", end)
            lines = (
                text.bytes[first:last].decode(),
                (text.bytes[first:begin] + new.encode() + text.bytes[end:last]).decode(),
            )
            original, mutated = (" ".join(re.sub(r"\s+# .*", "", part).split()) for part in lines)
            span, line = span_of(scope, statement, tree), text.bytes.count(b"\n", 0, begin) + 1
            one = Mutant(file, line, scope, original, mutated, span, defined(statement), changed.decode())
            found.setdefault(one.identity, one)
    return list(found.values())
