"""The picture of imports: which module of vade_tf reads which, read from the source with `ast`; nothing is imported.

python tests/imports.py          # rooms and modules with their arrows
python tests/imports.py --dot    # the same for Graphviz: | dot -Tsvg > imports.svg

An arrow is an import anywhere in a module, inside functions too, or a module's name in a string of a module that calls
`import_module`. Imports under `if TYPE_CHECKING:` bring nothing in when the program runs: they are printed after
"types:" and make no circle, but are held to the order of rooms like the others. The name `__version__` is no arrow.

Exits with 1 where modules or rooms read each other in a circle, or an arrow is not allowed by MAY_READ.
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "vade_tf"

_BOTTOM = (
    "errors", "paths", "machine", "reading", "hdf5", "seeding", "writing", "locking", "mosaic", "printing", "threads",
    "finite",
)  # fmt: skip
_BELOW_SYSTEMS = ("training", "model", "data", *_BOTTOM)
_BELOW_RUNS = ("systems", *_BELOW_SYSTEMS, "metrics")
# A room is a folder or a single module of the package; here are the rooms each may read, the highest room first.
MAY_READ = {
    "__main__": ("cli",),
    "keras_names": ("systems", "model"),
    "cli": ("report", "runs", "serving", *_BELOW_RUNS),
    "report": ("runs", *_BELOW_RUNS),
    "runs": ("serving", *_BELOW_RUNS),
    "serving": ("model", "data", *_BOTTOM),
    "estimator": ("archive", "estimator_parameters", "estimator_rows", *_BELOW_SYSTEMS),
    "estimator_parameters": ("training", "model", "seeding", "errors"),
    "estimator_rows": ("model", "data", *_BOTTOM),
    "archive": ("training", "model", "data", *_BOTTOM),
    "systems": _BELOW_SYSTEMS,
    "training": ("model", "data", *_BOTTOM),
    "model": _BOTTOM,
    "data": _BOTTOM,
    "metrics": _BOTTOM,
    "seeding": ("errors",),
    "hdf5": ("machine", "errors"),
    "reading": ("machine", "errors"),
    "finite": ("machine", "errors"),
    "machine": (),
    "paths": ("errors",),
    "writing": ("errors",),
    "locking": (),
    "mosaic": (),
    "threads": (),
    "printing": ("errors",),
    "errors": (),
}
ROOT = "the package itself"  # vade_tf/__init__.py gathers public names: it may read every room, and no room reads it


@dataclass
class Graph:
    """Modules by their full name, and what each reads: `runs` when the program runs, `types` for a type checker."""

    package: str
    runs: dict[str, set[str]] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)

    def room(self, module: str) -> str:
        """ "vade_tf.data.files" -> "data"; the package's own __init__ -> ROOT."""
        parts = module.split(".")
        return ROOT if len(parts) == 1 else parts[1]

    def rooms(self) -> list[str]:
        """Every room of the package, highest first; those that are not in MAY_READ come before the others."""
        found = {self.room(module) for module in self.runs}
        order = [ROOT, *sorted(found - {ROOT, *MAY_READ}), *MAY_READ]
        return [room for room in order if room in found]

    def between_rooms(self) -> dict[str, set[str]]:
        """The arrows of `runs`, by rooms."""
        arrows: dict[str, set[str]] = {room: set() for room in self.rooms()}
        for module, read in self.runs.items():
            arrows[self.room(module)] |= {self.room(other) for other in read} - {self.room(module)}
        return arrows


def read_package(folder: Path) -> Graph:
    """The graph of a package's folder."""
    graph, files = Graph(folder.name), {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        home = module if path.name == "__init__.py" else module.rpartition(".")[0]
        hidden = {id(node) for branch in _type_checking(tree) for node in ast.walk(branch)}
        nodes = list(ast.walk(tree))
        run = set(_imported([node for node in nodes if id(node) not in hidden], home, files))
        graph.runs[module] = (run | set(_in_strings(tree, home, files))) - {module}
        graph.types[module] = set(_imported([n for n in nodes if id(n) in hidden], home, files)) - run - {module}
    return graph


def _type_checking(tree: ast.Module) -> Iterator[ast.stmt]:
    """What stands under `if TYPE_CHECKING:`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from node.body


def _imported(nodes: Iterable[ast.AST], home: str, files: dict) -> Iterator[str]:
    """The package's modules that these nodes import; `home` is the package that relative imports start from."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:  # a module of the folder, or a name in its __init__
                if alias.name == "__version__":
                    continue
                name = f"{source}.{alias.name}"
                yield from (each for each in [name if name in files else source] if each in files)


def _in_strings(tree: ast.Module, home: str, files: dict) -> Iterator[str]:
    """Modules named in the strings of a module that calls `import_module`.

    A string names one as "p.a" or "p.a:function", from its own package as ".a", and as "a" for import_module(f"p.{a}").
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [node for node in calls if ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")]
    if not calls:
        return
    formats = [call.args[0] for call in calls if call.args and isinstance(call.args[0], ast.JoinedStr)]
    starts = [str(each.values[0].value) for each in formats if isinstance(each.values[0], ast.Constant)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.split(":")[0]
            tried = [home + name if name.startswith(".") else name, *(start + name for start in starts)]
            yield from (each for each in tried if each in files)


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Sets of nodes that reach each other (Tarjan's strongly connected components of more than one), each as a walk."""
    found, index, low, stack = [], {}, {}, []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows.get(node, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(component)

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return [_walk(arrows, set(component)) for component in found]


def _walk(arrows: dict[str, set[str]], component: set[str]) -> list[str]:
    """A shortest circle inside a component, from its first name back to it."""
    first = min(component)
    paths = [[first]]
    for path in paths:  # breadth first: the list grows as it is read
        for other in sorted(arrows[path[-1]] & component):
            if other == first:
                return [*path, first]
            if not any(other in known for known in paths):
                paths.append([*path, other])
    raise AssertionError("a strongly connected component has a circle through each of its nodes")


def faults(graph: Graph) -> list[str]:
    """What is wrong, a sentence each."""
    said = [f"circle of modules: {' -> '.join(circle)}" for circle in circles(graph.runs)]
    said += [f"circle of rooms: {' -> '.join(circle)}" for circle in circles(graph.between_rooms())]
    for room in graph.rooms():
        if room not in (ROOT, *MAY_READ):
            said.append(f"unknown room: {room} is not in MAY_READ of tests/imports.py; say there what it may read")
    for module in sorted(graph.runs):
        room = graph.room(module)
        for other in sorted(graph.runs[module] | graph.types[module]):
            target = graph.room(other)
            if room in MAY_READ and target in (ROOT, *MAY_READ) and target not in (room, *MAY_READ[room]):
                said.append(f"against the order: {module} -> {other} ({room} must not know {target})")
    return said


def as_text(graph: Graph) -> str:
    """Rooms with what they read, and under each its modules with theirs."""
    lines, rooms, short = [], graph.between_rooms(), len(graph.package) + 1
    for room in graph.rooms():
        read = [other for other in graph.rooms() if other in rooms[room]]
        lines += ["", f"{room} -> {', '.join(read) or 'nothing of the package'}"]
        for module in sorted(module for module in graph.runs if graph.room(module) == room):
            arrows = [", ".join(sorted(other[short:] or ROOT for other in graph.runs[module])) or "-"]
            if graph.types[module]:
                arrows.append("types: " + ", ".join(sorted(other[short:] or ROOT for other in graph.types[module])))
            lines.append(f"    {module[short:] or graph.package} -> {'; '.join(arrows)}")
    return "\n".join(lines).strip()


def as_dot(graph: Graph) -> str:
    """The graph in Graphviz' language, a box for each room; imports for types alone are dashed."""
    lines = [f'digraph "{graph.package}" {{', "  rankdir=TB; node [shape=box, fontname=sans];"]
    for room in graph.rooms():
        names = " ".join(f'"{module}";' for module in sorted(graph.runs) if graph.room(module) == room)
        lines.append(f'  subgraph "cluster_{room}" {{ label="{room}"; {names} }}')
    for arrows, style in ((graph.runs, ""), (graph.types, " [style=dashed]")):
        lines += [f'  "{module}" -> "{other}"{style};' for module in sorted(arrows) for other in sorted(arrows[module])]
    return "\n".join([*lines, "}"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="?", type=Path, default=PACKAGE, help="folder of the package")
    parser.add_argument("--dot", action="store_true", help="print it for Graphviz")
    arguments = parser.parse_args(argv)
    graph = read_package(arguments.package)
    print(as_dot(graph) if arguments.dot else as_text(graph))
    found = faults(graph)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
