"""evaluate.py on trained runs: moved, renamed, read-only, damaged; what is printed, written and left alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vade_tf.cli import finished
from vade_tf.errors import InputError
from vade_tf.report.evaluation import load_rows
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "pretrain_epochs": 1,
    "epochs": 2,
    "guide_epochs": 1,
    "batch_size": 32,
    "clusters": 3,
    "augment": "none",
    "hidden": (8,),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """36 images of 8 x 8 in three groups, with labels: the path of an .npz."""
    r = np.random.default_rng(0)
    y = np.arange(36) % 3
    x = r.uniform(0, 0.2, (36, 8, 8))
    for i, c in enumerate(y):
        x[i, 2 * c + 1 : 2 * c + 3, 1:7] += 0.8
    file = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(file, x=(255 * x).astype("u1"), y=y)
    return file


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    training.train(TrainConfig(data=str(data), **SMALL), out)
    return out


@pytest.fixture
def copy(trained, tmp_path):
    """A run folder under another name, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "renamed [b] run"))


def call(capsys, *arguments):
    """Exit code, stdout and stderr of a call in this process."""
    code = finished.evaluate([str(a) for a in arguments], "evaluate.py")
    return code, *capsys.readouterr()


def snapshot(folder):
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


def test_json_is_all_that_is_printed_and_no_file_is_written(copy, trained, capsys):
    before = snapshot(copy)
    code, out, err = call(capsys, copy, "--json", "--no-figures")
    assert code == 0
    assert err
    result = json.loads(out)
    assert call(capsys, copy, "--json", "--no-figures", "--quiet")[2] == ""
    kept = json.loads((trained / "metrics.json").read_text())
    for name in ("acc", "nmi", "ari", "elbo", "distortion", "rate_z", "rate_c"):
        assert result[name] == pytest.approx(kept[name], rel=1e-5), name
    assert (result["seen_in_training"], result["n"]) == (36, 36)
    assert (result["health"], result["remedies"]) == (kept["health"], kept["remedies"])
    assert sum(card["rows"] for card in result["clusters"]) == 36
    assert snapshot(copy) == before


def test_several_runs_side_by_side(copy, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, trained, copy)
    assert code == 0
    assert all(f"{path}: " in err for path in (trained, copy))
    assert "comparison/comparison.png" in out
    assert (tmp_path / "comparison" / "comparison.png").stat().st_size > 10_000
    assert not (copy / "report.html").exists()
    code, out, _ = call(capsys, trained, copy, "--json", "--no-figures")
    first, second = json.loads(out)
    assert first["elbo"] == second["elbo"]
    assert first["run"] != second["run"]


@pytest.mark.parametrize("name", ["config.json", "data.json", "metrics.json", "metrics.csv", "model.keras"])
@pytest.mark.parametrize("damage", ["gone", "half", "noise"])
def test_a_damaged_file_is_named(copy, name, damage, capsys):
    file = copy / name
    whole = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        cut = len(whole) // 2 - (1 if name == "metrics.csv" else 0)
        file.write_bytes(whole[:cut] if damage == "half" else whole[:cut] + b'"\0\xff,{' + whole[cut + 5 :])
    code, out, err = call(capsys, copy, "--no-figures")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("evaluate.py: ")
    assert ("a finished run" if (name, damage) == ("metrics.json", "gone") else name) in err


def test_other_rows_have_to_fit_the_run(trained, data, tmp_path):
    run, model = Run.open(trained), load(trained)
    with np.load(data) as arrays:
        x, y = arrays["x"], arrays["y"]
    np.savez(tmp_path / "some.npz", x=x[:5], y=y[:5], other=y[:5])
    dataset, seen, _ = load_rows(run, model, data=str(tmp_path / "some.npz"), labels="other")
    np.testing.assert_array_equal(dataset.x, x[:5].reshape(5, -1))
    assert (dataset.image_shape, seen) == ((8, 8), None)
    np.save(tmp_path / "flat.npy", x.reshape(len(x), -1))
    assert load_rows(run, model, data=str(tmp_path / "flat.npy"))[0].image_shape == (8, 8)
    np.save(tmp_path / "wide.npy", np.zeros((5, 65), "u1"))
    with pytest.raises(InputError, match="^data: expected 64 features"):
        load_rows(run, model, data=str(tmp_path / "wide.npy"))
    np.save(tmp_path / "scaled.npy", x / 255)
    with pytest.raises(InputError, match="^data: .*scaled.npy: expected values"):
        load_rows(run, model, data=str(tmp_path / "scaled.npy"))


def test_data_that_moved_or_changed(copy, data, tmp_path):
    model = load(copy)
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "data": str(tmp_path / "gone.npz")}))
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        load_rows(Run.open(copy), model)
    with np.load(data) as arrays:
        np.savez(tmp_path / "gone.npz", x=arrays["x"][::-1], y=arrays["y"])
    with pytest.raises(InputError, match="36 other rows"):
        load_rows(Run.open(copy), model)
