"""The run folders of the hostile cases, and a folder for each case."""

import tempfile

import pytest

from vade_tf.report import evaluation

from .apart import Apart
from .made import Made


@pytest.fixture(autouse=True)
def few_draws(monkeypatch, eager, loaded_once):
    """Bounds by importance weights of 2 rows, the longest part of an evaluation; no tracing, that of tiny fits."""
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

    TensorFlow leaves the sources of what it compiles there until the process ends, and on Python 3.13 a __pycache__.
    """
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "work"
    names = [path.name for path in (tmp_path / "temporary").iterdir()]
    left = [name for name in names if not name.startswith("__autograph") and name != "__pycache__"]
    assert left == [], "temporary files were left"
