"""The order of the rooms: who imports whom in vade_tf, read from the source with `ast`; nothing is imported.

A room is a folder or a module of the package. An import counts wherever it stands, inside a function too; one under
`if TYPE_CHECKING:` makes no circle, but is held to the order.
"""

import ast
import graphlib
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "vade_tf"
GROUND = ("errors", "seeding", "storage")  # and every module of the package that is named nowhere here
LEARNING = ("training", "model", "data")
MAY_READ = {  # the highest room first; all may read the ground
    "__main__": ("cli",),
    "cli": ("report", "runs", "serving", "systems", *LEARNING, "metrics"),
    "plot": ("report", "estimator", "contrast", *LEARNING),
    "report": ("runs", "systems", *LEARNING, "contrast", "metrics"),
    "runs": ("serving", "systems", "contrast", *LEARNING, "metrics"),
    "serving": ("model", "data"),
    "estimator": ("systems", "contrast", *LEARNING),
    "contrast": ("model", "data"),
    "systems": LEARNING,
    "training": ("model", "data"),
    "model": (),
    "data": (),
    "metrics": (),
}


def modules(folder: Path) -> dict[str, ast.Module]:
    """The parsed modules of a package by name; a folder's `__init__` has the name of the folder."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def imports(trees: dict[str, ast.Module], types: bool) -> dict[str, set[str]]:
    """The modules of the package that each module imports; with `types` those for a type checker, too."""
    arrows: dict[str, set[str]] = {}
    for module, tree in trees.items():
        hidden = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ]
        inside = {id(each) for node in hidden for part in node.body for each in ast.walk(part)}
        read = set()
        for node in ast.walk(tree):
            if types or id(node) not in inside:
                if isinstance(node, ast.Import):
                    read |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    for alias in node.names:
                        inner = f"{node.module}.{alias.name}"
                        read |= {inner if inner in trees else node.module} - {"vade_tf"}
        arrows[module] = (read & trees.keys()) - {module}
    return arrows


def room(module: str) -> str:
    name = module.split(".")[1] if "." in module else ""
    name = "estimator" if name.startswith("estimator") or name == "archive" else name
    return name if name in MAY_READ or not name else "the ground"


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A circle among the arrows, or nothing."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def package():
    trees = modules(PACKAGE)
    for module in trees:  # no absolute name of these hides behind a dot
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(trees[module])), module
    return trees


def test_a_circle_and_a_hidden_import_are_seen():
    texts = {"p.a": "def f():\n    from p import b", "p.b": "from p.a import x"}
    arrows = imports({name: ast.parse(text) for name, text in texts.items()}, types=False)
    assert arrows == {"p.a": {"p.b"}, "p.b": {"p.a"}}
    assert set(circle(arrows)) == {"p.a", "p.b"}
    hidden = ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.b")
    for types, read in ((False, set()), (True, {"p.b"})):
        assert imports({"p.a": hidden, "p.b": ast.parse("")}, types)["p.a"] == read


def test_the_modules_have_no_circle(package):
    assert circle(imports(package, types=False)) == []


def test_every_arrow_follows_the_order_of_the_rooms(package):
    against = []
    for module, read in imports(package, types=True).items():
        for other in read:
            allowed = {room(module), "the ground", *MAY_READ.get(room(module), ())}
            if module != "vade_tf" and room(other) not in allowed:
                against.append(f"{module} reads {other}")
    assert against == []


def test_every_folder_says_what_it_is_for_and_what_it_does_not_know(package):
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        said = ast.get_docstring(package[f"vade_tf.{path.parent.name}"]) or ""
        assert re.match(r".{20,}\.$", said.split("\n")[0]), path.parent.name
        assert re.search(r"\bknows no\b", said, re.I), f"{path.parent.name}: what it must not know (`knows no ...`)"
