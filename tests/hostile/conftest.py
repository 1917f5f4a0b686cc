"""The run folders of the hostile cases, a folder for each case, and the counts at the end of the run."""

import tempfile
from collections import Counter

import pytest

from vade_tf.report import evaluation

from .apart import Apart
from .made import Made


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Importance-weighted bounds of 2 rows: the longest part of an evaluation."""
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def apart():
    process = Apart()
    yield process
    process.close()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory; temporary files of the process go beside it, where they are found if they stay.

    TensorFlow leaves the sources of what it compiles there until the process ends.
    """
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "work"
    left = [path.name for path in (tmp_path / "temporary").iterdir() if not path.name.startswith("__autograph")]
    assert left == [], "temporary files were left"


def pytest_terminal_summary(terminalreporter):
    """One line: how many cases of each kind there were, and how they ended."""
    counts: dict[str, Counter] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "hostile":
                    kind, end = value
                    counts.setdefault(kind, Counter())[end if outcome == "passed" else "FAILED"] += 1
    for kind, ends in sorted(counts.items()):
        told = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
        terminalreporter.write_line(f"hostile {kind}: {sum(ends.values())} ({told})")
