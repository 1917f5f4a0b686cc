"""assignments.csv, and how tables are written: one row a row, in their order; what a model says of it, and its rank."""

import keras
import numpy as np
import pandas
import pyarrow.parquet
import pytest

from vade_tf.cli.main import main
from vade_tf.report import evaluation
from vade_tf.runs import assignments
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import load
from vade_tf.runs.rows import numbers_of
from vade_tf.systems.models import Clustering, StudentT

pytestmark = pytest.mark.usefixtures("loaded_once")

SMALL = {"pretrain_epochs": 1, "epochs": 1, "clusters": 3, "hidden": (16, 8), "precision": "float32", "init": "kmeans"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 120 rows in three groups, one of them with a row far away from all."""
    r = np.random.default_rng(0)
    x = (5 * np.eye(3, 6)[np.arange(120) % 3] + r.normal(size=(120, 6))).astype("f4")
    x[7] += 30
    file = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(file, x)
    return file


@pytest.fixture(scope="module")
def partial(rows, tmp_path_factory, eager_file):
    """A run on some of these rows: fewer by a limit."""
    out = tmp_path_factory.mktemp("partial") / "run"
    config = TrainConfig(data=str(rows), limit=80, **SMALL)
    training.train(config, out, export=False)
    return out, config


def test_rows_keep_the_numbers_they_had_before_others_were_left_aside(rows, partial):
    out, config = partial
    found = pandas.read_csv(out / "assignments.csv")
    assert list(found) == ["row", "cluster", "confidence", "log_density", "typicality_rank"]
    numbers = numbers_of(config, 120)
    assert len(numbers) == 80
    np.testing.assert_array_equal(found["row"], numbers)
    model, x = load(out), np.load(rows)[numbers]
    gamma = model.predict(x, verbose=0)
    np.testing.assert_array_equal(found["cluster"], gamma.argmax(axis=1))
    np.testing.assert_allclose(found["confidence"], gamma.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found["log_density"], model.elbo(x), rtol=1e-4)


def test_an_evaluation_calls_the_rows_by_the_same_numbers(partial, monkeypatch):
    told = pandas.read_csv(partial[0] / "assignments.csv", index_col="row")
    result = evaluation.evaluate_run(partial[0]).result
    assert result["lowest_density_rows"] == told["log_density"].nsmallest(evaluation.LOWEST_ROWS).index.tolist()
    for card in result["clusters"]:
        for row in card["typical"] + card["doubtful"]:
            assert told["cluster"][row["row"]] == card["cluster"]
            assert told["confidence"][row["row"]] == pytest.approx(row["confidence"], rel=1e-5)
    monkeypatch.setattr(evaluation, "MAX_NUMBERS", 1)  # and where only some of them, drawn, are evaluated
    monkeypatch.setattr(evaluation, "MIN_ROWS", 40)
    some = evaluation.evaluate_run(partial[0])
    lowest = told.loc[some.numbers, "log_density"].nsmallest(evaluation.LOWEST_ROWS)
    assert some.result["lowest_density_rows"] == lowest.index.tolist()


def test_the_ranks_order_the_rows_by_their_density(partial):
    found = pandas.read_csv(partial[0] / "assignments.csv")
    assert sorted(found["typicality_rank"]) == list(range(1, 81))
    assert found.sort_values("typicality_rank")["log_density"].is_monotonic_decreasing
    far = found.loc[found["row"] == 7, "typicality_rank"]
    assert far.empty or far.item() == 80


def test_a_system_without_a_density_leaves_its_columns_out(rows, tmp_path):
    config = TrainConfig(data=str(rows), model="kmeans", clusters=3)
    training.train(config, tmp_path / "run")
    found = pandas.read_csv(tmp_path / "run" / "assignments.csv")
    assert list(found) == ["row", "cluster", "confidence"]
    assert len(found) == 120


def test_many_rows_are_read_in_blocks_that_join_without_a_seam(small_model, monkeypatch):
    model, x, heard = small_model(), np.random.default_rng(0).random((23, 12), "f4"), []
    whole = assignments.found(model, x, lambda done, text: None)
    monkeypatch.setattr(assignments, "MAX_ROWS_TOGETHER", 5)
    joined = assignments.found(model, x, lambda done, text: heard.append(done))
    assert heard == [1] * assignments.blocks(x) == [1] * 5
    pandas.testing.assert_frame_equal(joined, whole, rtol=1e-4)


def blocks():
    yield pandas.DataFrame({"name": ["a,b", 'c"d'], "n": np.array([1, 2], "i4"), "p": np.array([1 / 3, 1e-7], "f4")})
    yield pandas.DataFrame({"name": ["ä", ""], "n": np.array([3, 4], "i4"), "p": np.array([0.5, 1], "f4")})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_is_read_back_as_it_was_written(tmp_path, kind):
    file = tmp_path / f"x.{kind}"
    assignments.write(file, blocks())
    expected = pandas.concat(blocks(), ignore_index=True)
    if kind == "parquet":
        found = pandas.read_parquet(file)
        assert pyarrow.parquet.ParquetFile(file).num_row_groups == 2
    else:
        found = pandas.read_csv(file, keep_default_na=False, dtype={"n": "i4", "p": "f4"})
    pandas.testing.assert_frame_equal(found.astype({"name": object}), expected, check_exact=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_that_fails_half_way_leaves_the_file_as_it_was(tmp_path, kind):
    def broken():
        yield from blocks()
        raise KeyboardInterrupt

    (tmp_path / f"x.{kind}").write_text("of before")
    with pytest.raises(KeyboardInterrupt):
        assignments.write(tmp_path / f"x.{kind}", broken())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(f"x.{kind}", "of before")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_texts_are_called_as_in_training(tmp_path, capsys, kind):
    words = [["red", "green", "blue", "round"], ["loud", "quiet", "deep", "shrill"]]
    texts = [" ".join(words[i % 2][j] for j in (i % 4, i % 3, (i + 1) % 4)) for i in range(60)]
    table = pandas.DataFrame({"doc": [f"0{i}" for i in range(60)], "saying": texts})
    file = tmp_path / f"texts.{kind}"
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    config = TrainConfig(data=str(file), text="saying", id="doc", model="kmeans", **SMALL | {"clusters": 2})
    training.train(config, tmp_path / "run", export=False)
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "run"), "--data", str(file)]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["doc", *table["doc"]]
    table[["saying"]].to_csv(tmp_path / "bare.csv", index=False)  # rows without names are numbered
    assert main(["predict", str(tmp_path / "run"), "--data", str(tmp_path / "bare.csv")]) == 0
    assert capsys.readouterr().out.startswith("row,cluster,confidence\n0,")


def test_the_code_of_a_system_without_a_bound_is_what_its_head_reads(rng):
    head = StudentT(3, 4)
    head.mu.assign(rng.normal(size=(3, 4)))
    x = rng.normal(size=(5, 4)).astype("f4")
    found = assignments.codes(Clustering("dec", head, scaling=keras.layers.Rescaling(2.0, 1.0, dtype="float32")))(x)
    assert list(found) == ["z0", "z1", "z2", "z3"]
    np.testing.assert_allclose(np.stack(list(found.values()), axis=1), 2 * x + 1, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([None, None], ["x", None], [None, None, "x", None]),
        (["0", 1, "?"], ["1"], ["0", "1", "?", "1"]),
    ],
)
def test_a_column_of_parquet_holds_the_cells_of_every_block(tmp_path, first, second, expected):
    assignments.write(tmp_path / "x.parquet", [pandas.DataFrame({"a": each}) for each in (first, second)])
    found = pyarrow.parquet.read_table(tmp_path / "x.parquet")["a"].to_pylist()
    assert found == expected
