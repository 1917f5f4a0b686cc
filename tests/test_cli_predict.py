"""`vade-tf predict`: clusters of new rows as a table, for every system; whole or not there."""

import csv
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest

from vade_tf.cli.main import main
from vade_tf.errors import InputError
from vade_tf.runs import output
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.systems import SYSTEMS

SMALL = {"pretrain_epochs": 1, "epochs": 1, "clusters": 3, "hidden": (16, 8)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with rows.npz to train on and new.npy, more than a batch, of the same kind."""
    folder = tmp_path_factory.mktemp("data")
    r = np.random.default_rng(0)
    x = (5 * np.eye(3, 6)[np.arange(1300) % 3] + r.normal(size=(1300, 6))).astype("f4")
    np.savez(folder / "rows.npz", x=x[:90])
    np.save(folder / "new.npy", x[90:])
    lines = [f"{','.join(map(str, row))},{name}" for row, name in zip(x[90:], "ab" * 605, strict=True)]
    (folder / "new.csv").write_text("a,b,c,d,e,f,kind\n" + "\n".join(lines) + "\n")
    return folder


def trained_run(data, system, out):
    config = TrainConfig.create(data=str(data / "rows.npz"), model=system, **SMALL)
    training.train(config, out, export=False)
    return out


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return trained_run(data, "vade", tmp_path_factory.mktemp("trained") / "run")


def check(text: str, probabilities: np.ndarray) -> None:
    """The table against `predict` of the model."""
    rows = list(csv.reader(text.splitlines()))
    assert rows[0] == ["row", "cluster", "confidence"]
    table = np.array(rows[1:], float)
    np.testing.assert_array_equal(table[:, 0], np.arange(len(probabilities)))
    np.testing.assert_array_equal(table[:, 1], probabilities.argmax(axis=1))
    np.testing.assert_allclose(table[:, 2], probabilities.max(axis=1), atol=2e-6)


def test_a_table_into_a_file_and_to_the_screen(data, trained, tmp_path, capsys):
    probabilities = load(trained).predict(np.load(data / "new.npy"), verbose=0)
    assert len(np.unique(probabilities.argmax(axis=1))) > 1
    out = tmp_path / "clusters.csv"
    out.write_text("of before")
    assert main(["predict", str(trained), "--data", str(data / "new.npy"), "--out", str(out)]) == 0
    check(out.read_text(), probabilities)
    assert [path.name for path in tmp_path.iterdir()] == ["clusters.csv"]
    shown = capsys.readouterr()
    *_, speed, place = shown.out.splitlines()
    assert re.fullmatch(r"1,210 rows in \S+ s, [\d,]+ rows a second", speed)
    assert (place, shown.err) == (f"written: {out}", "")
    for more in ([], ["--out", "-"]):
        assert main(["predict", str(trained), "--data", str(data / "new.npy"), *more]) == 0
        assert capsys.readouterr() == (out.read_text(), "")
    column = ["--data", str(data / "new.csv"), "--labels", "kind", "--out", str(tmp_path / "2.csv"), "--quiet"]
    assert main(["predict", str(trained), *column]) == 0
    assert capsys.readouterr() == ("", "")
    check((tmp_path / "2.csv").read_text(), probabilities)


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_every_system(system, data, tmp_path, capsys):
    run = trained_run(data, system, tmp_path / "run")
    capsys.readouterr()
    assert main(["predict", str(run), "--data", str(data / "new.npy")]) == 0
    check(capsys.readouterr().out, load(run).predict(np.load(data / "new.npy"), verbose=0))


def test_a_mistake_is_one_line_and_no_file(data, trained, tmp_path, capsys):
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), "f4"))
    half = Path(shutil.copytree(trained, tmp_path / "half"))
    (half / "metrics.json").unlink()
    several = tmp_path / "several"
    several.mkdir()
    (several / "seeds.json").write_text("{}")
    new, before = str(data / "new.npy"), sorted(tmp_path.iterdir())
    for arguments, message in (
        ([trained, "--data", tmp_path / "wide.npy"], "--data: expected 6 features"),
        ([trained, "--data", tmp_path / "none.npy"], "--data: expected an existing file"),
        ([tmp_path / "data", "--data", new], f"{tmp_path}/data: expected a run folder"),
        ([half, "--data", new], f"{half}: expected a finished run; continue it with vade-tf train --resume {half}"),
        ([several, "--data", new], f"{several}: holds several runs; give one of them, such as {several}/seed-N"),
        ([trained, "--data", new, "--out", tmp_path / "no" / "x.csv"], "--out: expected a file in an existing folder"),
        ([trained, "--data", new, "--out", tmp_path], f"--out: {tmp_path} cannot be written (Is a directory)"),
        ([trained, "--data", new, "--out", new], f"--out: {new} is the file of --data"),
    ):
        arguments = [str(each) for each in arguments]
        assert main(["predict", *arguments[:1], "--out", str(tmp_path / "out.csv"), "--quiet", *arguments[1:]]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(f"vade-tf predict: {message}")
        assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert sorted(tmp_path.iterdir()) == before


def test_what_stops_half_way_leaves_the_file_as_it_was(tmp_path):
    def blocks():
        yield pandas.DataFrame({"row": [0]})
        raise KeyboardInterrupt

    (tmp_path / "x.csv").write_text("of before")
    with pytest.raises(KeyboardInterrupt):
        output.write(tmp_path / "x.csv", blocks())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.csv", "of before")]
    with pytest.raises(InputError, match=r"^/.*y.csv cannot be written \(No such file or directory\)"):
        output.write(tmp_path / "gone" / "y.csv", blocks())


def test_a_link_is_kept_and_a_pipe_is_written_to(tmp_path):
    (tmp_path / "real.csv").write_text("of before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    output.write((tmp_path / "link.csv").resolve(), [pandas.DataFrame({"a": [1]})])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output.write(tmp_path / "pipe", [pandas.DataFrame({"a": [1]})])
    assert os.read(reader, 9) == b"a\n1\n"
    os.close(reader)
