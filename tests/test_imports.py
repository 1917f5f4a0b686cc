"""The order of the rooms: no circle of imports in the package, and tests/imports.py sees what would make one."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import imports
import pytest


@pytest.fixture
def package(tmp_path):
    """Writes a package `p` of the given modules; returns its graph."""

    def make(**modules: str) -> imports.Graph:
        for name, text in {"__init__": "", **modules}.items():
            path = tmp_path / "p" / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return imports.read_package(tmp_path / "p")

    return make


def test_arrows_of_every_form_of_import(package):
    text = (
        "import p.errors\nfrom p import metrics\nfrom . import data\nfrom .model import VaDE\nimport os, numpy.linalg\n"
    )
    graph = package(cli=text, errors="", metrics="", data="", model="VaDE = 1")
    assert graph.runs["p.cli"] == {"p.errors", "p.metrics", "p.data", "p.model"}
    assert imports.faults(graph) == []


def test_folders_and_single_modules_are_rooms(package):
    graph = package(
        model__in____init__="", model__in__elbo="from ..errors import E", errors="E = 1",
        training__in____init__="from .loop import fit", training__in__loop="from p.model import elbo",
    )  # fmt: skip
    assert graph.runs["p.training.loop"] == {"p.model.elbo"}
    assert graph.runs["p.model.elbo"] == {"p.errors"}
    assert graph.between_rooms()["training"] == {"model"}
    assert graph.rooms() == [imports.ROOT, "training", "model", "errors"]
    assert imports.faults(graph) == []


def test_an_import_inside_a_function_counts(package):
    graph = package(errors="def f():\n    from p import metrics", metrics="import p.errors")
    assert "circle of modules: p.errors -> p.metrics -> p.errors" in imports.faults(graph)


def test_a_circle_inside_a_room_is_found_and_its_shortest_way_named(package):
    names = "abc"
    ring = {f"data__in__{a}": f"from p.data import {b}" for a, b in zip(names, "bca", strict=True)}
    graph = package(data__in____init__="", **ring)
    assert imports.faults(graph) == ["circle of modules: p.data.a -> p.data.b -> p.data.c -> p.data.a"]


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nNAMES = {'x': 'p.model.net:fit'}\ndef f(x): return importlib.import_module(NAMES[x])",
        "from importlib import import_module\ndef f(): return import_module('.net', 'p.model')",
        "import importlib\nNAMES = ['net']\ndef f(): return importlib.import_module(f'p.model.{NAMES[0]}')",
        "def f(): return __import__('p.model.net')",
    ],
)
def test_a_circle_through_a_string_is_found(package, text):
    graph = package(model__in____init__="", model__in__registry=text, model__in__net="from p.model import registry")
    assert imports.faults(graph) == ["circle of modules: p.model.net -> p.model.registry -> p.model.net"]


def test_a_string_is_no_arrow_where_nothing_is_imported_by_string(package):
    graph = package(errors="HINT = 'p.metrics'", metrics="from p.errors import HINT")
    assert graph.runs["p.errors"] == set()


def test_imports_for_types_make_no_circle_but_keep_the_order(package):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.runs import Run"
    graph = package(systems=text, runs="import p.systems\nclass Run: ...")
    assert graph.runs["p.systems"] == set()
    assert graph.types["p.systems"] == {"p.runs"}
    assert imports.faults(graph) == ["against the order: p.systems -> p.runs (systems must not know runs)"]
    inside = package(
        model__in____init__="", model__in__a=text.replace("runs", "model.b"), model__in__b="import p.model.a"
    )
    assert not any("p.model" in fault for fault in imports.faults(inside))


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("data", "model"), ("data", "training"), ("model", "training"), ("training", "estimator"), ("training", "runs"),
        ("training", "metrics"), ("systems", "report"), ("systems", "metrics"), ("estimator", "cli"), ("runs", "cli"),
        ("report", "cli"), ("runs", "report"), ("runs", "estimator"), ("serving", "runs"), ("serving", "training"),
        ("errors", "data"),
    ],
)  # fmt: skip
def test_an_arrow_upward_is_found(package, lower, upper):
    graph = package(**{lower: f"from p import {upper}", upper: ""})
    assert imports.faults(graph) == [f"against the order: p.{lower} -> p.{upper} ({lower} must not know {upper})"]


def test_rooms_that_read_each_other_are_found_though_no_module_does(package):
    graph = package(
        runs__in____init__="", runs__in__a="from p.report import b", runs__in__c="",
        report__in____init__="", report__in__b="", report__in__d="from p.runs import c",
    )  # fmt: skip
    assert imports.faults(graph) == [
        "circle of rooms: report -> runs -> report",
        "against the order: p.runs.a -> p.report.b (runs must not know report)",
    ]


def test_no_room_reads_the_package_itself_but_for_its_version(package):
    graph = package(cli="from p import VaDE", report="from p import __version__")
    assert imports.faults(graph) == [f"against the order: p.cli -> p (cli must not know {imports.ROOT})"]


def test_a_room_without_a_place_in_the_order_is_named(package):
    assert imports.faults(package(utils=""))[0].startswith("unknown room: utils is not in MAY_READ")


def test_the_order_lets_no_room_reach_itself():
    order = list(imports.MAY_READ)
    for room, read in imports.MAY_READ.items():
        assert all(order.index(other) > order.index(room) for other in read), room


def test_text_and_dot_show_the_same_arrows(package, tmp_path, capsys):
    package(cli="import p.runs", runs="import p.errors", errors="")
    assert imports.main([str(tmp_path / "p")]) == 0
    text = capsys.readouterr().out
    assert "cli -> runs\n    cli -> runs\n" in text
    assert imports.main([str(tmp_path / "p"), "--dot"]) == 0
    dot = capsys.readouterr().out
    assert set(re.findall(r'"(\S+)" -> "(\S+)";', dot)) == {("p.cli", "p.runs"), ("p.runs", "p.errors")}


def test_the_package_has_no_circle_and_keeps_the_order():
    done = subprocess.run([sys.executable, imports.__file__], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cli -> " in done.stdout


def test_every_folder_says_what_it_is_for_and_what_it_must_not_know():
    for path in sorted(imports.PACKAGE.glob("*/__init__.py")):
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        first = said.split("\n")[0]
        assert len(first) > 20, f"{path.parent.name}: its __init__ begins with a sentence that says what it is for"
        assert first.endswith("."), f"{path.parent.name}: the first line is a whole sentence"
        assert re.search(r"\bknows no\b", said, re.I), f"{path.parent.name}: what it must not know (`knows no ...`)"


def test_the_picture_needs_no_installed_package():
    tree = ast.parse(Path(imports.__file__).read_text())
    read = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    read |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {each.split(".")[0] for each in read} <= sys.stdlib_module_names
