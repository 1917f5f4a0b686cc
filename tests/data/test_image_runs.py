"""A folder of colour images from the first command to the last: train, evaluate, predict, export."""

import json

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from vade_tf.cli.main import main
from vade_tf.runs.folder import Run, load

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


def test_its_figures_are_in_colour(run):
    assert main(["evaluate", str(run), "--quiet"]) == 0
    for name in ("samples", "reconstructions"):
        sheet = matplotlib.image.imread(run / "figures" / f"{name}.png")[..., :3]
        assert (np.abs(sheet[..., 0] - sheet[..., 2]) > 0.3).mean() > 0.05, name


def test_nearly_black_images_are_bytes_all_the_same(run, tmp_path):
    dark = np.zeros((2, SIDE, SIDE, 3), "u1")
    dark[:, ::2] = 1
    np.save(tmp_path / "x.npy", dark)
    np.savez(tmp_path / "x.npz", x=dark)
    tables = []
    for name in ("x.npy", "x.npz"):
        out = tmp_path / f"{name}.csv"
        assert main(["predict", str(run), "--data", str(tmp_path / name), "--out", str(out), "--quiet"]) == 0
        tables.append(out.read_text())
    assert tables[0] == tables[1]
