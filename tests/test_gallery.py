"""docs/gallery: every script runs and draws its figure, which docs/gallery.md shows."""

import runpy
from pathlib import Path

import pytest

GALLERY = Path(__file__).resolve().parent.parent / "docs" / "gallery"
SCRIPTS = sorted(path.stem for path in GALLERY.glob("*.py"))
QUICK = "mixed_table"


@pytest.mark.parametrize("name", [pytest.param(s, marks=() if s == QUICK else pytest.mark.long) for s in SCRIPTS])
def test_the_script_draws_its_figure(name, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
    plt.close("all")
    assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_the_page_shows_every_script_and_its_figure():
    page = (GALLERY.parent / "gallery.md").read_text()
    assert len(SCRIPTS) == 7
    for name in SCRIPTS:
        assert f"](gallery/{name}.py)" in page
        assert f"](gallery/{name}.png)" in page
        assert (GALLERY / f"{name}.png").stat().st_size < 60_000
