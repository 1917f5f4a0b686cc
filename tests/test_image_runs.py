"""A folder of colour images from the first command to the last: train, evaluate, predict, export, another run."""

import csv
import json
from collections import Counter

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from vade_tf import Served
from vade_tf.cli.main import main
from vade_tf.report import evaluation
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load

pytestmark = pytest.mark.usefixtures("loaded_once")

SIDE = 28
WORDS = [
    *("--clusters", "2", "--batch-size", "16", "--quiet"),
    *("--pretrain-epochs", "12", "--epochs", "6", "--regroups", "1"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 images of 28 x 28: red squares in one folder, blue bars in the other."""
    r, place = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    for name in ("bars", "squares"):
        (place / name).mkdir()
    for i in range(60):
        x = r.integers(0, 40, (SIDE, SIDE, 3))
        if i % 2:
            x[4:14, 4:14, 0] = 200
        else:
            x[::3, :, 2] = 200
        Image.fromarray(x.astype("u1")).save(place / ("squares" if i % 2 else "bars") / f"{i:02}.png")
    return place


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--data", str(folder), "--labels", "folders", "--out", str(out), *WORDS]) == 0
    return out


def test_its_networks_are_convolutional_and_it_finds_the_two_kinds(run):
    assert load(run).encoder.input_shape == (None, SIDE, SIDE, 3)
    assert Run.open(run).config.network == "conv"
    assert json.loads((run / "metrics.json").read_text())["acc"] == 1.0


def test_its_figures_are_in_colour(run, monkeypatch):
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)
    assert main(["evaluate", str(run), "--quiet"]) == 0
    for name in ("samples", "reconstructions", "members"):
        sheet = matplotlib.image.imread(run / "figures" / f"{name}.png")[..., :3]
        assert (np.abs(sheet[..., 0] - sheet[..., 2]) > 0.3).mean() > 0.05, name
    assert "<img" in (run / "report.html").read_text(encoding="utf-8")


def test_new_images_are_assigned_by_name_and_brought_to_the_size(run, folder, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    for name in ("bars/00.png", "squares/01.png"):
        with Image.open(folder / name) as image:
            image.resize((56, 56), Image.Resampling.NEAREST).save(new / name.replace("/", "-"))
    assert main(["predict", str(run), "--data", str(new), "--out", str(tmp_path / "groups.csv")]) == 0
    with (tmp_path / "groups.csv").open(newline="") as lines:
        groups = {row["id"]: row["cluster"] for row in csv.DictReader(lines)}
    with (run / "assignments.csv").open(newline="") as lines:
        known = {row["id"]: row["cluster"] for row in csv.DictReader(lines)}
    assert groups == {"bars-00.png": known["bars/00.png"], "squares-01.png": known["squares/01.png"]}
    assert sorted(Counter(known.values()).values()) == [30, 30]


@pytest.mark.long
def test_another_run_starts_from_its_autoencoder_and_takes_its_networks(run, folder, tmp_path):
    """With the same settings it ends with the same weights."""
    again = Run.open(run).config
    out = tmp_path / "again"
    assert main(["train", "--data", str(folder), "--pretrained", str(run), "--out", str(out), *WORDS]) == 0
    assert Run.open(out).config.network == again.network
    for one, other in zip(load(run).get_weights(), load(out).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_export_answers_as_the_model(run, folder):
    with Image.open(folder / "bars" / "00.png") as image:
        x = np.asarray(image, np.float32).reshape(1, -1)
    served = Served(run / "export" / "1")
    np.testing.assert_allclose(served.predict(x), load(run).predict(x, verbose=0), atol=0.01)  # bfloat16


def test_images_of_another_form_are_refused(run, tmp_path, capsys):
    """Channels first, or a dark frame whose brightest byte is 1."""
    channels_first = np.zeros((2, 3, SIDE, SIDE), "u1")
    np.save(tmp_path / "x.npy", channels_first)
    np.savez(tmp_path / "x.npz", x=channels_first)
    for name, words in (("x.npy", ["predict"]), ("x.npz", ["evaluate", "--out", str(tmp_path / "out")])):
        assert main([*words, str(run), "--data", str(tmp_path / name), "--quiet"]) == 2
        said = capsys.readouterr().err
        assert "expected images of (28, 28, 3), as in training, got (3, 28, 28) in each row" in said
    with pytest.raises(ValueError, match=r"^x: expected images of \(28, 28, 3\), as in training, got \(3, 28, 28\)"):
        load(run).predict(channels_first, verbose=0)


def test_a_single_image_is_told_how_to_be_saved(run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((SIDE, SIDE, 3), "u1"))
    np.savez(tmp_path / "x.npz", x=np.zeros((SIDE, SIDE, 3), "u1"))
    for name, words in (("x.npz", ["predict"]), ("x.npy", ["evaluate", "--out", str(tmp_path / "out")])):
        assert main([*words, str(run), "--data", str(tmp_path / name), "--quiet"]) == 2
        told = f"{tmp_path}/{name}: expected several images, got one of shape (28, 28, 3); save x[None]"
        assert told in capsys.readouterr().err


def test_nearly_black_images_are_bytes_all_the_same(run, tmp_path, capsys):
    dark = np.zeros((2, SIDE, SIDE, 3), "u1")
    dark[:, ::2] = 1
    np.save(tmp_path / "x.npy", dark)
    np.savez(tmp_path / "x.npz", x=dark)
    (tmp_path / "dark").mkdir()
    for i, image in enumerate(dark):
        Image.fromarray(image).save(tmp_path / "dark" / f"{i}.png")
    for name in ("x.npy", "x.npz", "dark"):
        out = str(tmp_path / f"{name}.csv")
        assert main(["predict", str(run), "--data", str(tmp_path / name), "--out", out, "--quiet"]) == 0
    tables = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in ("x.npy", "x.npz")]
    assert tables[0] == tables[1]
