"""Which tests run which line of the package, and in which order a mutant meets them. For `benchmarks/mutants.py`."""

import ast
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from mutants_edits import ROOT, Mutant


class Tally:
    """A pytest plugin: tests in the given order, what each takes, which failed, and which fixtures a module's share.

    `switch` is told who is at work: a test, or a shared fixture, whose lines concern every test that has it.
    """

    def __init__(self, order: Iterable[str] = (), switch: Callable[[str], None] = lambda context: None):
        self.order = {test: place for place, test in enumerate(order)}
        self.switch = switch
        self.at_work = [""]
        self.tests: dict[str, dict] = {}
        self.fixtures: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: self.order.get(item.nodeid, -1))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        found = item._fixtureinfo.name2fixturedefs
        shared = sorted(name for name, definitions in found.items() if definitions[-1].scope == "module")
        self.tests[item.nodeid] = {"seconds": 0.0, "fixtures": shared}
        self.at_work = [item.nodeid]
        self.switch(item.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope != "module":
            yield
            return
        begun, test = time.perf_counter(), self.at_work[0]
        self.at_work.append(fixturedef.argname)
        self.switch(fixturedef.argname)
        yield
        self.at_work.pop()
        self.switch(self.at_work[-1])
        seconds = time.perf_counter() - begun
        self.fixtures[fixturedef.argname] = seconds
        if len(self.at_work) == 1:  # else it is part of another fixture
            self.tests[test]["seconds"] -= seconds

    def pytest_runtest_logreport(self, report):
        if report.nodeid in self.tests:
            self.tests[report.nodeid]["seconds"] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def run_pytest(tests: Iterable[str], tally: Tally, *more: str) -> int:
    """pytest in this process, on the package as it is imported here."""
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", f"--basetemp={folder}/tests"]
        return int(pytest.main([*tests, "--rootdir", str(ROOT), *flags, *more], [tally]))


def learn(test_file: str, report: Path) -> int:
    """Runs a test file; to `report` goes which test or fixture runs which line, what each takes, and what fails."""
    import coverage
    import tensorflow as tf

    # AutoGraph would run copies of the functions, whose lines nobody counts
    tf.function = functools.partial(tf.function, autograph=False)
    run = tf.autograph.experimental.do_not_convert(run_pytest)
    measure = coverage.Coverage(data_file=None, include=[f"{ROOT}/vade_tf/*"])
    tally = Tally(switch=measure.switch_context)
    measure.start()
    code = run([test_file], tally)
    measure.stop()
    data, lines = measure.get_data(), {}
    for file in data.measured_files():
        found = {line: [each for each in names if each] for line, names in data.contexts_by_lineno(file).items()}
        lines[str(Path(file).relative_to(ROOT))] = {line: names for line, names in found.items() if names}
    tests = {test: found for test, found in tally.tests.items() if test not in tally.failed}
    known = {"lines": lines, "tests": tests, "fixtures": tally.fixtures, "failed": tally.failed}
    report.write_text(json.dumps(known))
    return code


def concerned(mutant: Mutant, known: list[dict], budget: float) -> tuple[list[str], float]:
    """Tests that run the line of a mutant, the fastest first, as many as take `budget` seconds; and what they take."""
    places = {mutant.file: range(mutant.span[0], mutant.span[1] + 1)} if mutant.span else readers(mutant)
    found: dict[str, tuple[float, dict[str, float]]] = {}  # own seconds, those of its fixtures
    for number, each in enumerate(known):
        users: dict[str, list[str]] = {}
        for test, one in each["tests"].items():
            for name in (test, *one["fixtures"]):
                users.setdefault(name, []).append(test)
        running = {
            name
            for file, lines in places.items()
            for line in lines
            for name in each["lines"].get(file, {}).get(str(line), ())
        }
        told = set() if mutant.span else {test for test in each["tests"] if mutant.names & words(test)}
        for test in told | {test for name in running for test in users.get(name, ())}:
            one = each["tests"][test]
            fixtures = {f"{number} {name}": each["fixtures"].get(name, 0.0) for name in one["fixtures"]}
            found[test] = one["seconds"], fixtures
    chosen, made, total = [], set(), 0.0
    for test, (own, fixtures) in sorted(found.items(), key=lambda pair: pair[1][0] + sum(pair[1][1].values())):
        total += own + sum(seconds for name, seconds in fixtures.items() if name not in made)
        if chosen and total > budget:
            break
        chosen.append(test)
        made.update(fixtures)
    return chosen, total


@functools.cache
def words(test: str) -> frozenset[str]:
    """Names that stand in the source of a test."""
    file, name = test.split("[")[0].split("::")
    found = (node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef))
    inside = (node for function in found if function.name == name for node in ast.walk(function))
    return frozenset(getattr(node, "id", getattr(node, "attr", "")) for node in inside)


def readers(mutant: Mutant) -> dict[str, list[int]]:
    """Lines of functions that read the names which a statement of a module or class defines; else all of the module."""
    places: dict[str, list[int]] = {}
    everything: list[int] = []
    for file in sorted((ROOT / "vade_tf").rglob("*.py")):
        name = str(file.relative_to(ROOT))
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                inside = [
                    node for statement in function.body for node in ast.walk(statement) if hasattr(node, "lineno")
                ]
                own = [node.lineno for node in inside]
                everything += own if name == mutant.file else []
                read = [n.lineno for n in inside if getattr(n, "id", getattr(n, "attr", None)) in mutant.names]
                if any(getattr(n, "id", None) in mutant.names for n in ast.walk(function.args)):  # a default
                    read = own
                places.setdefault(name, []).extend(read)
    places = {name: lines for name, lines in places.items() if lines}
    return places or {mutant.file: everything}
