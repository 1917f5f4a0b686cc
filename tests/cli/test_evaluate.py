"""evaluate.py on trained runs: moved, renamed, read-only, damaged; what is printed, written and left alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from vade_tf.cli import evaluate
from vade_tf.errors import InputError
from vade_tf.report import evaluation
from vade_tf.report.evaluation import load_rows
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "pretrain_epochs": 1,
    "epochs": 2,
    "guide_epochs": 1,
    "batch_size": 32,
    "clusters": 3,
    "augment": "none",
    "hidden": (8,),
}
STEPS = ["loading data", "encoding 36 rows", "importance-weighted bounds", "silhouette, clusters and speed"]
FIGURES = {"samples", "reconstructions", "interpolation", "members", "outliers", "code", "confusion", "reliability"}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_IWAE_ROWS", 2)


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
    training.train(TrainConfig.create(data=str(data), **SMALL), out)
    return out


@pytest.fixture
def copy(trained, tmp_path):
    """A run folder under another name, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "renamed [b] run"))


def call(capsys, *arguments):
    """Exit code, stdout and stderr of a call in this process."""
    code = evaluate.main([str(a) for a in arguments], "evaluate.py")
    return code, *capsys.readouterr()


def snapshot(folder):
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


@pytest.mark.long
def test_a_renamed_read_only_folder_in_a_fresh_process(copy, tmp_path):
    """Everything is shown and written elsewhere; the folder stays as it was to the last time stamp."""
    for path in (*copy.rglob("*"), copy):
        path.chmod(path.stat().st_mode & ~0o222)
    before = snapshot(copy)
    program = [sys.executable, str(ROOT / "evaluate.py"), str(copy), "--out", "look"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[0] for line in done.stderr.splitlines()] == [*STEPS, "drawing figures"]
    for words in (
        "renamed [b] run: 3 clusters, 36 rows of 64 features",  # square brackets are no markup
        "ACC, GMVAE's rule",
        "IWAE bound, k = 5,000",
        "purity",
        "written",
    ):
        assert words in done.stdout
    assert {p.stem for p in (tmp_path / "look" / "figures").iterdir()} == FIGURES | {"history"}
    page = (tmp_path / "look" / "report.html").read_text()
    assert "evaluate.py &#x27;" in page  # the command, its argument with a space quoted
    assert page.count("data:image/png;base64,") == 9 + 3 * 3  # the figures; mean, typical and doubtful of each cluster
    assert snapshot(copy) == before
    if os.geteuid() != 0:  # root may write anywhere
        with pytest.raises(InputError, match="cannot be written"):
            evaluate.run(evaluate.parse([str(copy)]), "")


def test_json_is_all_that_is_printed_and_no_file_is_written(copy, trained, capsys):
    before = snapshot(copy)
    code, out, err = call(capsys, copy, "--json", "--no-figures")
    assert code == 0
    assert [line.split("  ")[0] for line in err.splitlines()] == STEPS
    result = json.loads(out)
    assert call(capsys, copy, "--json", "--no-figures", "--quiet")[2] == ""
    kept = json.loads((trained / "metrics.json").read_text())
    for name in ("acc", "nmi", "ari", "elbo", "distortion", "rate_z", "rate_c"):
        assert result[name] == pytest.approx(kept[name], rel=1e-5), name
    assert (result["seen_in_training"], result["n"]) == (36, 36)
    assert (result["health"], result["remedies"]) == (kept["health"], kept["remedies"])
    assert sum(card["rows"] for card in result["clusters"]) == 36
    assert snapshot(copy) == before


def test_the_terminal_speaks_of_flags_and_json_of_settings(copy, capsys):
    sentence = "component 1 is empty: pretrain longer (pretrain_epochs), or take clusters=2"
    file = copy / "metrics.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "health": [sentence]}))
    assert (
        "health: component 1 is empty: pretrain longer (--pretrain-epochs), or take --clusters 2\n"
        in call(capsys, copy, "--no-figures", "--quiet")[1]
    )
    assert json.loads(call(capsys, copy, "--no-figures", "--quiet", "--json")[1])["health"] == [sentence]


def test_several_runs_side_by_side(copy, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, trained, copy)
    assert code == 0
    assert [f"{path}: {STEPS[0]}" in err for path in (trained, copy)] == [True, True]
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
    wanted = "train.py --resume" if (name, damage) == ("metrics.json", "gone") else name
    assert wanted in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nowhere"], "expected a run folder"),
        (["{run}", "--labels", "y"], "--labels: goes with --data"),
        (["{run}", "--data", "x.npy", "--test"], "--data: names the rows itself"),
        (["{run}", "--data", "x.npy", "--data-dir", "{tmp}"], "--data: names the rows itself"),
        (["{run}", "--data", "{tmp}/x.npy"], "--data: expected an existing file"),
        (["{run}", "--test"], "--test: expected a run on the full mnist or fashion_mnist"),
        (["{run}", "--out", "{tmp}", "--no-figures"], "--out: names the folder of figures and report"),
        (["{run}", "--out", "{run}/config.json"], "config.json is a file; choose a folder"),
        (["{run}", "--out", "{tmp}/other"], "other, another run than is evaluated; choose another folder"),
        (["{run}", "--out", "{tmp}/other/figures"], "other, another run than is evaluated; choose another folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(trained, tmp_path, capsys, arguments, message):
    (tmp_path / "other").mkdir()
    shutil.copy(trained / "config.json", tmp_path / "other")
    code, out, err = call(capsys, *(a.format(run=trained, tmp=tmp_path) for a in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["other"]
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["config.json"]


def test_help_does_not_load_tensorflow():
    program = [sys.executable, "-X", "importtime", "evaluate.py", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert "tensorflow" not in done.stderr
    assert "matplotlib" not in done.stderr
    assert "--no-figures" in done.stdout


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
    with pytest.raises(InputError, match=r"^data: .*scaled.npy: expected values from 0 to 255, .* by 255"):
        load_rows(run, model, data=str(tmp_path / "scaled.npy"))


def test_data_that_moved_or_changed(copy, data, tmp_path):
    model = load(copy)
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "data": str(tmp_path / "gone.npz")}))
    with pytest.raises(InputError, match=r"renamed \[b\] run: its data cannot be loaded; say .* data=FILE .*gone\.npz"):
        load_rows(Run.open(copy), model)
    with np.load(data) as arrays:
        np.savez(tmp_path / "gone.npz", x=arrays["x"][::-1], y=arrays["y"])
    with pytest.raises(InputError, match="expected the data it was trained on, 36 rows from .*bars.npz, got 36 other"):
        load_rows(Run.open(copy), model)


def test_the_test_half_of_a_named_data_set(copy, tmp_path, monkeypatch):
    """60 + 20 rows in MNIST's form; the run saw 30 of the 80, and says how many of the test half are among them."""
    from vade_tf.report import evaluation as rows

    r = np.random.default_rng(0)
    halves = {}
    for half, n in (("train", 60), ("test", 20)):
        halves[f"x_{half}"] = r.integers(0, 256, (n, 8, 8)).astype("u1")
        halves[f"y_{half}"] = r.integers(0, 10, n).astype("u1")
    np.savez(tmp_path / "mnist.npz", **halves)
    monkeypatch.setattr(rows, "TEST_ROWS", {"mnist": 20})
    config = TrainConfig.create(dataset="mnist", data_dir=str(tmp_path / "elsewhere"), limit=30, **SMALL)
    (copy / "config.json").write_text(config.to_json())
    run, model = Run.open(copy), load(copy)
    with pytest.raises(InputError, match="data_dir=FOLDER or data=FILE"):
        load_rows(run, model)
    whole = np.concatenate([halves["x_train"], halves["x_test"]]).reshape(80, -1)
    chosen = np.sort(np.random.default_rng(0).choice(80, 30, replace=False))
    kept = {"source": "x", "rows": 30, "features": 64, "crc32": zlib.crc32(whole[chosen])}
    (copy / "data.json").write_text(json.dumps(kept))
    trained_on, seen, numbers = load_rows(run, model, data_dir=str(tmp_path))
    np.testing.assert_array_equal(numbers, chosen)
    np.testing.assert_array_equal(trained_on.x, whole[chosen])
    assert seen == 30
    half, seen, numbers = load_rows(run, model, data_dir=str(tmp_path), test=True)
    np.testing.assert_array_equal(numbers, range(60, 80))
    np.testing.assert_array_equal(half.x, whole[60:])
    np.testing.assert_array_equal(half.y, halves["y_test"])
    assert seen == np.sum(chosen >= 60)


def test_pictures_do_not_go_among_the_images_that_are_read(trained, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    code, _, told = call(capsys, trained, "--data", tmp_path / "photos", "--out", tmp_path / "photos" / "report")
    assert (code, list((tmp_path / "photos").iterdir())) == (2, [])
    assert re.search(r"--out: .*report lies in .*photos, whose images", told)


@pytest.mark.long
def test_figures_that_are_not_drawn_need_no_matplotlib(trained):
    """In a process of its own, where nothing has loaded it yet."""
    program = (
        "import sys; sys.modules['matplotlib'] = None; from vade_tf.cli import evaluate; "
        f"codes = [evaluate.main([{str(trained)!r}, *more]) for more in (['--no-figures', '--json'], [])]; "
        "raise SystemExit(codes != [0, 2])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "pip install 'vade-tf[reports]' brings it" in done.stderr


def test_the_rows_that_are_named_are_passed_on(trained, capsys, monkeypatch):
    seen = []

    def caught(folder, *, step, **where):
        seen.append(where)
        raise InputError("enough")

    monkeypatch.setattr(evaluation, "evaluate_run", caught)
    call(capsys, trained, "--data", "new.npz", "--labels", "y", "--no-figures")
    call(capsys, trained, "--data-dir", "here", "--test", "--no-figures")
    assert seen == [
        {"data_dir": None, "data": "new.npz", "labels": "y", "test": False},
        {"data_dir": "here", "data": None, "labels": None, "test": True},
    ]
