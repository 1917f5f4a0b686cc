"""`evaluate` writes figures and a report, prints numbers, and compares runs."""

import json

import promised
import pytest


@pytest.fixture(scope="module")
def look(finished, tmp_path_factory):
    """A folder with the figures and the report of the run, and what was printed."""
    out = tmp_path_factory.mktemp("look")
    return out, promised.done("evaluate.py", finished.run, "--out", out, "--quiet")


def test_a_report_and_figures_are_written(look):
    out, printed = look
    page = (out / "report.html").read_text()
    assert "<html" in page
    assert "</html>" in page
    figures = [*(out / "figures").glob("*.png")]
    assert figures
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in figures)
    assert "ACC" in printed


def test_numbers_for_a_program(finished):
    """The numbers on the run's own rows are those of its metrics.json, and no file is written."""
    before = sorted(finished.run.rglob("*"))
    found = json.loads(promised.done("evaluate.py", finished.run, "--json", "--no-figures", "--quiet"))
    metrics = json.loads((finished.run / "metrics.json").read_text())
    assert [found[name] for name in ("n", "n_clusters")] == [300, 3]
    assert [found[name] for name in ("acc", "nmi", "ari")] == pytest.approx(
        [metrics[name] for name in ("acc", "nmi", "ari")]
    )
    sizes = promised.assignments(finished.run)["cluster"].value_counts().sort_index().tolist()
    assert [each["rows"] for each in found["clusters"]] == sizes
    assert 0 <= found["calibration"]["ece"] <= 1
    assert sorted(finished.run.rglob("*")) == before
