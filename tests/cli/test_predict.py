"""`vade-tf predict`: clusters of new rows as a table, for every system; whole or not there."""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest

from vade_tf.cli.main import main
from vade_tf.data.schema import Schema
from vade_tf.model.vade import VaDE
from vade_tf.report import evaluation
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

SMALL = {"pretrain_epochs": 1, "epochs": 1, "clusters": 3, "hidden": (8,)}


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
    config = TrainConfig(data=str(data / "rows.npz"), model=system, **SMALL)
    training.train(config, out, export=False)
    return out


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A folder with train.csv, a table whose rows have names, and new.csv and new.parquet with more such rows."""
    folder = tmp_path_factory.mktemp("things")
    r = np.random.default_rng(1)
    groups = r.integers(0, 3, 150)
    table = pandas.DataFrame(
        {
            "name": [f"thing {i}" for i in range(150)],
            "size": 3 * groups + r.normal(size=150),
            "colour": np.array(["red", "green", "blue"])[groups],
            "weight": 10 * groups + r.normal(size=150),
        }
    )
    table[:100].to_csv(folder / "train.csv", index=False)
    new = table[100:][["weight", "colour", "name", "size"]].assign(more=1)
    new.to_csv(folder / "new.csv", index=False)
    new.to_parquet(folder / "new.parquet", row_group_size=7)
    return folder


@pytest.fixture(scope="module")
def tabled(things, tmp_path_factory):
    """A run on train.csv."""
    out = tmp_path_factory.mktemp("tabled") / "run"
    config = TrainConfig(data=str(things / "train.csv"), id="name", precision="float32", **SMALL)
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
    (tmp_path / "real.csv").write_text("of before")
    out.symlink_to("real.csv")  # which is kept
    assert main(["predict", str(trained), "--data", str(data / "new.npy"), "--out", str(out)]) == 0
    check(out.read_text(), probabilities)
    assert out.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clusters.csv", "real.csv"]
    shown = capsys.readouterr()
    *_, speed, place = shown.out.splitlines()
    assert re.fullmatch(r"1,210 rows in \S+ s", speed)
    assert (place, shown.err) == (f"written: {tmp_path / 'real.csv'}", "")
    for more in ([], ["--out", "-"]):
        assert main(["predict", str(trained), "--data", str(data / "new.npy"), *more]) == 0
        assert capsys.readouterr() == (out.read_text(), "")
    column = ["--data", str(data / "new.csv"), "--labels", "kind", "--out", str(tmp_path / "2.csv"), "--quiet"]
    assert main(["predict", str(trained), *column]) == 0
    assert capsys.readouterr() == ("", "")
    check((tmp_path / "2.csv").read_text(), probabilities)


def test_a_mistake_is_one_line_and_no_file(data, trained, things, tabled, tmp_path, capsys):
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), "f4"))
    np.save(tmp_path / "nan.npy", np.full((2, 6), np.nan, "f4"))
    np.savez(tmp_path / "a.npz", x=np.ones((2, 3)))
    half = Path(shutil.copytree(trained, tmp_path / "half"))
    (half / "metrics.json").unlink()
    several = tmp_path / "several"
    several.mkdir()
    (several / "seeds.json").write_text("{}")
    new, before = str(data / "new.npy"), sorted(tmp_path.iterdir())
    for arguments, blamed in (
        ([trained, "--data", tmp_path / "wide.npy"], "--data: "),
        ([tmp_path / "data", "--data", new], "run: "),
        ([half, "--data", new], "run: expected a finished run"),
        ([several, "--data", new], "run: expected one run"),
        ([trained, "--data", new, "--out", tmp_path / "no" / "x.csv"], "--out: "),
        ([trained, "--data", new, "--out", tmp_path], "--out: "),
        ([trained, "--data", new, "--out", new], "--out: "),
        ([trained, "--data", new, "--out", half / "metrics.csv"], "--out: "),
        ([trained, "--data", new, "--out", tmp_path / "x.csv.GZ"], "--out: expected a file ending in"),
        ([trained, "--data", new, "--out", tmp_path / "x"], "--out: expected a file ending in"),
        ([tabled, "--data", new], "--data: "),
        ([trained, "--data", tmp_path / "nan.npy"], "--data: "),
        ([trained, "--data", new, "--impute"], "--impute: "),
        ([tabled, "--data", tmp_path / "a.npz", "--impute"], "--impute: "),
    ):
        arguments = [str(each) for each in arguments]
        assert main(["predict", *arguments[:1], "--out", str(tmp_path / "out.csv"), "--quiet", *arguments[1:]]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(f"vade-tf predict: {blamed}"), shown.err
        assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert sorted(tmp_path.iterdir()) == before


def test_a_pipe_is_written_to_and_nothing_is_said_for_stdout_may_be_behind_it(data, trained, tmp_path, capsys):
    """A link to one, too, as /dev/stdout is where stdout goes to another program."""
    np.save(tmp_path / "two.npy", np.load(data / "new.npy")[:2])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("pipe", "link"):
        command = ["predict", str(trained), "--data", str(tmp_path / "two.npy"), "--out", str(tmp_path / name)]
        assert main(command) == 0
        assert os.read(reader, 999).startswith(b"row,cluster,confidence\n0,")
    assert capsys.readouterr() == ("", "")
    os.close(reader)


def printed(capsys, *arguments, notes=("columns that training did not have are ignored: 'more'",)) -> pandas.DataFrame:
    """The table that the command prints, with these notes on stderr and no others."""
    assert main(["predict", *map(str, arguments)]) == 0
    shown = capsys.readouterr()
    assert [line.removeprefix("vade-tf predict: warning: ") for line in shown.err.splitlines()] == list(notes)
    return pandas.read_csv(io.StringIO(shown.out))


def coded(run, file):
    """The rows of a table for a run's model, by the run's schema, all at once."""
    schema = Run.open(run).schema
    assert isinstance(schema, Schema)
    return schema.encode(pandas.read_csv(file))[0]


def test_a_table_is_read_by_the_names_of_its_columns(things, tabled, capsys):
    gamma = load(tabled).predict(coded(tabled, things / "new.csv"), verbose=0)
    found = printed(capsys, tabled, "--data", things / "new.csv")
    assert list(found) == ["name", "cluster", "confidence"]  # rows have names, as in training
    assert found["name"].tolist() == [f"thing {i}" for i in range(100, 150)]
    np.testing.assert_array_equal(found["cluster"], gamma.argmax(axis=1))
    np.testing.assert_allclose(found["confidence"], gamma.max(axis=1), atol=1e-5)
    pandas.testing.assert_frame_equal(printed(capsys, tabled, "--data", things / "new.parquet"), found)
    by_size = printed(capsys, tabled, "--data", things / "new.csv", "--id", "size")
    assert list(by_size) == ["size", "cluster", "confidence"]
    np.testing.assert_array_equal(by_size["cluster"], found["cluster"])


def test_codes_and_densities(things, tabled, capsys):
    model, x = load(tabled), coded(tabled, things / "new.csv")
    for file in ("new.csv", "new.parquet"):
        code = printed(capsys, tabled, "--data", things / file, "--encode")
        assert list(code) == ["name", *(f"z{i}" for i in range(10))]
        np.testing.assert_allclose(code.iloc[:, 1:], model.encode(x)[0], atol=1e-5)
        density = printed(capsys, tabled, "--data", things / file, "--score")
        assert list(density) == ["name", "log_density"]
        np.testing.assert_allclose(density["log_density"], model.elbo(x), rtol=1e-4)


def test_columns_that_the_model_does_not_read_are_written_as_they_came(tabled, tmp_path, capsys):
    text = "size,zip,colour,acct,weight\n1.5,01234,red,12345678901234567,170.5\n2.5,00001,?,,10.5\n,9,blue,1,20.5\n"
    (tmp_path / "holes.csv").write_text(text)
    assert main(["predict", str(tabled), "--data", str(tmp_path / "holes.csv"), "--impute"]) == 0
    cells = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert cells[2][2] in ("red", "green", "blue")
    assert np.isfinite(float(cells[3][0]))
    cells[2][2], cells[3][0] = "?", ""
    assert cells == list(csv.reader(text.splitlines()))
    out = tmp_path / "full.parquet"
    assert main(["predict", str(tabled), "--data", str(tmp_path / "holes.csv"), "--impute", "--out", str(out)]) == 0
    found = pandas.read_parquet(out)
    assert found["zip"].tolist() == ["01234", "00001", "9"]
    assert found[["size", "weight"]].notna().all(axis=None)


def test_samples_have_the_names_and_values_of_the_table(things, tabled, tmp_path, capsys, monkeypatch):
    chosen = []
    sample = VaDE.sample
    monkeypatch.setattr(VaDE, "sample", lambda self, c, seed: (chosen.append(c), sample(self, c, seed))[1])
    one = printed(capsys, tabled, "--sample", 9000, "--seed", 3, notes=())
    assert list(one) == ["size", "colour", "weight"]
    assert len(one) == 9000
    assert set(one["colour"]) <= {"red", "green", "blue"}
    weights = np.exp(load(tabled).prior.parameters[0])
    np.testing.assert_allclose(np.bincount(np.concatenate(chosen), minlength=3) / 9000, weights, atol=0.02)
    assert one["size"].nunique() > 8900  # no block repeats another
    pandas.testing.assert_frame_equal(printed(capsys, tabled, "--sample", 9000, "--seed", 3, notes=()), one)
    chosen.clear()
    two = printed(capsys, tabled, "--sample", 10, "--cluster", 2, notes=())
    np.testing.assert_array_equal(chosen, [[2] * 10])
    assert not two["size"].isin(one["size"]).any()
    two.to_csv(tmp_path / "two.csv", index=False)  # a sample can be given back
    assert len(printed(capsys, tabled, "--data", tmp_path / "two.csv", notes=())) == 10


@pytest.mark.parametrize(
    "mode", [[], *(pytest.param([flag], marks=pytest.mark.long) for flag in ("--score", "--encode"))]
)
def test_every_kind_of_file_and_of_table_holds_the_same(data, trained, tmp_path, mode, capsys):
    """Blocks of rows from the map of a file, from row groups and from memory; .csv and .parquet out."""
    x = np.load(data / "new.npy")
    np.savez(tmp_path / "new.npz", x=x, y=np.full(len(x), -1))  # not known, and not needed
    pandas.DataFrame(x, columns=list("abcdef")).to_parquet(tmp_path / "new.parquet", row_group_size=500)
    found = []
    for number, file in enumerate((data / "new.npy", tmp_path / "new.npz", tmp_path / "new.parquet")):
        for kind, read in (("csv", pandas.read_csv), ("parquet", pandas.read_parquet)):
            out = tmp_path / f"{number}.{kind}"
            assert main(["predict", str(trained), "--data", str(file), "--out", str(out), *mode]) == 0
            found.append(read(out))
    for other in found[1:]:
        pandas.testing.assert_frame_equal(other, found[0], check_dtype=False, rtol=1e-5)


def test_evaluate_reads_new_rows_as_predict_does(things, tabled, capsys):
    results = []
    for file in ("new.csv", "new.parquet"):
        assert main(["evaluate", str(tabled), "--data", str(things / file), "--json", "--no-figures", "--quiet"]) == 0
        shown = capsys.readouterr()
        assert shown.err.endswith("columns that training did not have are ignored: 'more'\n")
        results.append(json.loads(shown.out))
    model, x = load(tabled), coded(tabled, things / "new.csv")
    assert (results[0]["n"], results[0]["n_features"], results[0]["seen_in_training"]) == (50, 5, None)
    assert results[0]["elbo"] == pytest.approx(evaluation.findings(model, x).elbo.mean(), rel=1e-4)
    sizes = np.bincount(model.predict(x, verbose=0).argmax(axis=1), minlength=3)
    assert [each["rows"] for each in results[0]["clusters"]] == sizes.tolist()
    assert results[0]["elbo"] == pytest.approx(results[1]["elbo"], rel=1e-6)
    named = [row["id"] for result in results for each in result["clusters"] for row in each["typical"]]
    assert set(named) <= {f"thing {i}" for i in range(100, 150)}  # as training had them by --id
