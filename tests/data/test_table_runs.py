"""Runs and clusterers on tables: the schema is kept with them, said once, and codes new rows."""

import json
import shutil

import numpy as np
import pandas
import pytest
from small_files import loaded

import vade_tf
from vade_tf import VaDEClusterer
from vade_tf.cli.main import main
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.report import evaluation as report_rows
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load
from vade_tf.training.reporter import Silent

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

SMALL = {
    "pretrain_epochs": 0, "epochs": 1, "clusters": 2, "hidden": (8,), "latent_dim": 2, "precision": "float32",
    "init": "kmeans",
}  # fmt: skip


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def frame():
    """80 rows in two groups: an index, a number, a truth value, a category and the group."""
    r = np.random.default_rng(0)
    group = np.arange(80) % 2
    colour = np.where(r.random(80) < 0.8, np.array(["red", "blue"])[group], "green")
    age = (30 + 40 * group + r.normal(size=80)).round(2)
    return pandas.DataFrame({"id": range(80), "age": age, "ill": r.random(80) < 0.5, "colour": colour, "group": group})


@pytest.fixture(scope="module")
def run(frame, tmp_path_factory):
    """(folder of a run on the table, what was said)."""
    folder, heard = tmp_path_factory.mktemp("table"), Heard()
    frame.to_csv(folder / "t.csv", index=False)
    config = TrainConfig(data=str(folder / "t.csv"), labels="group", **SMALL)
    training.train(config, folder / "run", reporter=heard, export=False)
    return folder / "run", heard.said


def test_a_run_keeps_its_schema_and_says_it_once(run, frame):
    folder, said = run
    kept = Run.open(folder).schema
    assert kept.features == ["age", "ill", "colour=blue", "colour=green", "colour=red"]
    assert kept.dropped == {"id": "it counts the rows from 0", "group": "as asked, labels for scoring"}
    assert said[0] == "\n".join(kept.describe())
    assert json.loads((folder / "schema.json").read_text())["form"] == "table"


def test_metrics_say_which_columns_were_used_and_how_large_the_clusters_are(run):
    said = json.loads((run[0] / "metrics.json").read_text())
    assert said["columns"]["used"] == ["age", "ill", "colour"]
    assert list(said["columns"]["left_out"]) == ["id", "group"]
    assert set(said["sizes"]) <= {"0", "1"}
    assert sum(said["sizes"].values()) == 80


def test_repeated_ids_are_counted(frame, tmp_path):
    frame.assign(id=frame["id"] // 4).to_csv(tmp_path / "t.csv", index=False)
    heard = Heard()
    training.train(TrainConfig(data=str(tmp_path / "t.csv"), id="id", **SMALL), tmp_path / "run", reporter=heard)
    assert "id: 60 rows have the id of an earlier row" in heard.said


def test_new_rows_are_coded_as_the_run_has_it(run, frame, tmp_path):
    new = frame.iloc[10:16, ::-1].drop(columns=["id", "group"]).assign(more=1)
    new.to_csv(tmp_path / "new.csv", index=False, sep=";")
    with pytest.warns(UnitsWarning, match="ignored: 'more'"):
        data, _, _ = report_rows.load_rows(Run.open(run[0]), load(run[0]), data=str(tmp_path / "new.csv"))
    whole = loaded(str(run[0].parent / "t.csv"), "group")
    np.testing.assert_array_equal(data.x, whole.x[10:16])
    again, trained_on, _ = report_rows.load_rows(Run.open(run[0]), load(run[0]))
    np.testing.assert_array_equal(again.x, whole.x)
    assert trained_on == 80


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"form": "table", "columns": [], "dropped": []}', b"\xff"])
def test_a_damaged_schema_is_named(run, tmp_path, content):
    shutil.copytree(run[0], tmp_path / "run")
    (tmp_path / "run" / "schema.json").write_bytes(content)
    with pytest.raises(InputError, match="schema.json, which is damaged"):
        _ = Run.open(tmp_path / "run").schema


@pytest.fixture(scope="module")
def features(frame):
    return frame.drop(columns="group")


@pytest.fixture(scope="module")
def fitted(features):
    small = {name: value for name, value in SMALL.items() if name != "clusters"}
    return VaDEClusterer(n_clusters=2, random_state=0, **small).fit(features)


def test_new_frames_are_checked_against_the_schema(fitted, features):
    odd = features.head(4).assign(colour=["red", "pink", "blue", "green"])
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(features.rename(columns={"age": "years"}))
    with pytest.raises(InputError, match="'age', got 'old' at row 1"):
        fitted.predict(odd.assign(colour="red", age=[1, "old", 2, 3]))
    with pytest.warns(UnitsWarning, match="taken as missing: 'pink'"):
        rows = fitted._rows(odd)[0]
    np.testing.assert_array_equal(np.isnan(rows).any(axis=1), [False, True, False, False])


def test_an_export_takes_the_table_itself(run, frame, tmp_path):
    folder, _ = run
    schema, model = vade_tf.load_schema(folder), load(folder)
    assert main(["export", str(folder), "--to", str(tmp_path)]) == 0
    served = vade_tf.Served(tmp_path / "1")
    assert served.schema == schema
    table = frame.drop(columns=["id", "group"])[["colour", "ill", "age"]]  # in another order
    np.testing.assert_allclose(served.predict(table), model.predict(schema.encode(table)[0], verbose=0), atol=1e-5)
    with pytest.warns(UnitsWarning, match="taken as missing: 'pink'"):
        found = served.predict(table.assign(colour="pink"))
    pink = schema.encode(table.assign(colour=None))[0]
    np.testing.assert_allclose(found, model.predict(pink, verbose=0), atol=1e-5)
    with pytest.raises(InputError, match="^x: "):
        vade_tf.Served(vade_tf.export(model, tmp_path, 2)).predict(table)
    arrow = pytest.importorskip("pyarrow").Table.from_pandas(table)
    np.testing.assert_array_equal(served.predict(arrow), served.predict(table))
    assert vade_tf.load_schema(folder / "model.keras") == schema
    with pytest.raises(InputError, match="expected a run folder"):
        vade_tf.load_schema(tmp_path)
