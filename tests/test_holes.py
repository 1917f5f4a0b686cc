"""Tables of mixed columns with missing cells, from the file to the clusters: rows with holes are clustered, too."""

import datetime
import decimal

import keras
import numpy as np
import pandas as pd
import pyarrow
import pytest
import tensorflow as tf

from vade_tf import Settings, VaDEClusterer, fit, metrics
from vade_tf.data import checks
from vade_tf.data.filling import Written, filled
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.runs import answers, assignments
from vade_tf.runs import train as training
from vade_tf.runs.config import MODELS, TrainConfig
from vade_tf.runs.incoming import Incoming
from vade_tf.runs.load import load
from vade_tf.serving.client import Served
from vade_tf.serving.export import export
from vade_tf.training import feature_spaces
from vade_tf.training.fitting import begin

SMALL = {
    "latent_dim": 3,
    "hidden": (24,),
    "pretrain_epochs": 60,
    "epochs": 60,
    "batch_size": 64,
    "precision": "float32",
}
SHORT = {**SMALL, "pretrain_epochs": 2, "epochs": 2, "init": "kmeans"}


def made(n: int, holes: float, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Three groups in two numbers, a colour and an answer: the table with holes, without, and the groups."""
    r = np.random.default_rng(seed)
    y = np.arange(n) % 3
    whole = pd.DataFrame(
        {
            "weight": 100 + 30 * y + r.normal(size=n),
            "height": 5 * (y == 1) + r.normal(size=n) / 2,
            "colour": np.array(["red", "green", "blue"])[np.where(r.random(n) < 0.9, y, r.integers(3, size=n))],
            "answer": np.array(["no", "yes"])[(y == 2).astype(int)],
        }
    )
    table = whole.copy()
    for name in table:
        table.loc[r.random(n) < holes, name] = np.nan
    return table, whole, y


@pytest.fixture(scope="module")
def table():
    return made(300, 0.15)


@pytest.fixture(scope="module")
def fitted(table):
    return VaDEClusterer(3, random_state=0, **SMALL).fit(table[0])


def test_rows_with_holes_find_their_group(fitted, table):
    frame, _, y = table
    holes = frame.isna().any(axis=1).to_numpy()
    assert 0.3 < holes.mean() < 0.7
    assert metrics.accuracy(y, fitted.labels_) > 0.95
    assert metrics.accuracy(y[holes], fitted.labels_[holes]) > 0.9
    np.testing.assert_array_equal(fitted.predict(frame), fitted.labels_)
    assert np.isfinite(fitted.score_samples(frame)).all()


def test_an_export_answers_rows_with_holes_as_the_clusterer(fitted, table, tmp_path):
    frame = table[0]
    served = Served(export(fitted.model_, tmp_path, schema=fitted.schema_))
    np.testing.assert_allclose(served.predict(frame), fitted.predict_proba(frame), atol=1e-5)
    np.testing.assert_array_equal(served.classify(frame)["cluster"], fitted.predict(frame))
    assert np.isfinite(served.score(frame)).all()
    with pytest.raises(InputError, match="^x: expected finite numbers below 1e30"):
        served.predict(np.full((2, fitted.model_.n_features), np.inf))


def test_new_rows_and_samples_are_of_the_columns(fitted):
    frame, whole, y = made(90, 0.3, seed=1)
    assert metrics.accuracy(y, fitted.predict(frame)) > 0.85
    drawn, cluster = fitted.sample(60, random_state=0)
    assert list(drawn) == list(whole)
    assert set(drawn["colour"]) <= {"red", "green", "blue"}
    assert drawn["weight"].between(80, 180).all()
    assert metrics.accuracy(cluster, fitted.predict(drawn)) > 0.9


def test_a_missing_cell_is_filled_with_what_its_row_says(fitted, table):
    """Nearer to what was there than the mean of the column, and the colour of the group."""
    frame, whole, _ = table
    found = fitted.impute(frame)
    assert not found.isna().any().any()
    gone = frame["weight"].isna()
    error = (found["weight"] - whole["weight"])[gone].abs().mean()
    assert error < 0.5 * (whole["weight"] - whole["weight"].mean())[gone].abs().mean()
    gone = frame["colour"].isna()
    assert (found["colour"] == whole["colour"])[gone].mean() > 0.7
    pd.testing.assert_series_equal(found["height"][frame["height"].notna()], frame["height"].dropna())


def test_a_hole_changes_nothing_but_its_own_row(fitted, table):
    frame = table[0].iloc[:20].copy()
    before = fitted.score_samples(frame)
    frame.iloc[3, 0] = np.nan
    after = fitted.score_samples(frame)
    np.testing.assert_allclose(np.delete(after, 3), np.delete(before, 3), rtol=1e-4)


def test_a_frame_and_the_python_function_give_the_same(table, eager):
    frame = table[0].iloc[:60]
    model = fit(frame, Settings(clusters=3, seed=0, **SHORT)).model
    again = VaDEClusterer(3, random_state=0, **SHORT).fit(frame).model_
    for mine, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("system", [name for name in MODELS if name != "dec_da"])  # which is of images alone
def test_every_system_takes_holes_and_its_run_gives_the_same_clusters_again(system, table, tmp_path, eager):
    table[0].iloc[:60].to_csv(tmp_path / "t.csv", index=False)
    config = TrainConfig.create(data=str(tmp_path / "t.csv"), model=system, clusters=3, **SHORT)
    training.train(config, tmp_path / "run", export=system == "vade")
    kept = pd.read_csv(tmp_path / "run" / "assignments.csv")
    from vade_tf.data.files import load_file

    rows = load_file(str(tmp_path / "t.csv")).x
    assert np.isnan(rows).any()
    np.testing.assert_array_equal(np.asarray(load(tmp_path / "run")(rows)).argmax(axis=1), kept["cluster"])


@pytest.mark.long
def test_another_run_starts_from_an_autoencoder_of_rows_with_holes_or_of_counts(table, tmp_path):
    """Their networks are larger than those of plain numbers: flags of missing cells, or two outputs a feature."""
    table[0].iloc[:60].to_csv(tmp_path / "t.csv", index=False)
    r = np.random.default_rng(0)
    np.save(tmp_path / "counts.npy", r.negative_binomial(0.1, 0.01, (60, 24)))
    more = {**SMALL, "clusters": 3, "pretrain_epochs": 2, "epochs": 1}
    for data, kind in (("t.csv", "mixed"), ("counts.npy", "counts")):
        one, two = (tmp_path / f"{data}-{name}" for name in ("one", "two"))
        more["likelihood"] = "counts" if kind == "counts" else "auto"
        training.train(TrainConfig.create(data=str(tmp_path / data), **more), one, export=False)
        assert load(one).likelihood.name == kind
        lent = TrainConfig.create(data=str(tmp_path / data), **more, pretrained=str(one), seed=1)
        training.train(lent, two, export=False)
        lines = [line.split(",") for line in (two / "metrics.csv").read_text().splitlines()]
        assert {line[0] for line in lines[1:]} == {"fit"}


def test_holes_are_filled_with_the_mean_of_their_code(monkeypatch):
    """A model whose mean is its code, and its code the mean of the row's other cells."""

    class Model:
        n_features = 3
        encode = staticmethod(lambda x: (tf.experimental.numpy.nanmean(x, axis=1, keepdims=True), None))
        decode = staticmethod(lambda z: tf.repeat(z, 3, axis=1))
        unscale = staticmethod(lambda x: 10 * np.asarray(x))

    monkeypatch.setattr(assignments, "BLOCK", 2)
    table = pd.DataFrame({"a": [1.0, np.nan, 3], "b": [2.0, 4, 5], "note": ["x", None, "y"], "c": [np.nan, 8, 9]})
    schema = Schema.numbers(table[["a", "b", "c"]])
    rows = Incoming(schema.encode(table)[0], table)
    found = pd.concat(answers.imputed(Model(), schema, rows, lambda done, text: None))
    expected = table.assign(a=[1.0, 60, 3], c=[15.0, 8, 9])
    pd.testing.assert_frame_equal(found, expected)
    cells = table.astype(object).map(str, na_action="ignore").fillna("")
    as_written = rows._replace(written=Written(cells, table, schema))
    found = pd.concat(answers.imputed(Model(), schema, as_written, lambda done, text: None))
    assert (found["b"].tolist(), found["note"].tolist()) == (["2.0", "4.0", "5.0"], ["x", "", "y"])


def test_every_block_has_its_own_rows_and_names():
    x = np.arange(10, dtype="f4").reshape(5, 2)
    for names, expected in ((None, range(5)), (pd.Series(list("abcde"), name="id"), "abcde")):
        blocks = list(Incoming(x, None, names).blocks(2))
        assert [name for block in blocks for name in block.names] == list(expected)
        np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), x)


def test_samples_are_in_the_units_of_the_rows(small_model):
    model = small_model(scaling=keras.layers.Rescaling(1 / 255))
    (found,) = answers.sampled(model, None, 9, 2, 0, lambda done, text: None)
    assert 60 < found.to_numpy().mean() < 200


DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(int(i)) for i in np.random.default_rng(0).integers(0, 300, 60)]
ZONED = pd.Series(pd.date_range("2020-03-28", periods=60, freq="31min", tz="Europe/Berlin"))
HOURS = pd.to_timedelta(pd.Series(range(60)), unit="h")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pd.Series(DAYS).astype("date32[pyarrow]"), "date32[day][pyarrow]"),
        (pd.Series(DAYS), "object"),
        (ZONED, str(ZONED.dtype)),
        (ZONED.astype(object), "object"),
        (HOURS, str(HOURS.dtype)),
        (HOURS.astype(object), str(pd.to_timedelta(HOURS.astype(object)).dtype)),
        (
            pd.Series([decimal.Decimal(i) / 4 for i in range(60)]).astype(pd.ArrowDtype(pyarrow.decimal128(10, 2))),
            "float64",
        ),
        (pd.Series([decimal.Decimal(i) / 4 for i in range(60)]), "float64"),
    ],
    ids=["days of Arrow", "days", "zoned", "objects", "durations", "objects", "Arrow's decimals", "decimals"],
)
def test_cells_of_every_kind_may_be_missing_and_are_filled_in_their_kind(cells, kind):
    table = pd.DataFrame({"v": cells, "w": np.arange(60) % 7})
    schema = Schema.infer(table)
    assert schema.columns[0].kind in ("date", "number")
    x = schema.encode(table)[0]
    pd.testing.assert_frame_equal(filled(table, schema, x), table, check_dtype=False)  # nothing is missing
    table.loc[3, "v"] = None
    missing = schema.encode(table)[0]
    assert np.isnan(missing[3, 0])
    np.testing.assert_array_equal(np.delete(missing, 3, 0), np.delete(x, 3, 0))
    found = filled(table, schema, x)["v"]
    assert str(found.dtype) == kind
    expected = pd.Series(cells.tolist())
    if kind == "float64":
        np.testing.assert_allclose(found, expected.astype(float), rtol=1e-6)
    else:
        if not kind.startswith("timedelta"):
            found, expected = (
                pd.to_datetime(each.astype(str), format="ISO8601", utc=True) for each in (found, expected)
            )
        assert abs(found - expected).max() < pd.Timedelta("10s")  # of float32


@pytest.mark.parametrize("cells", [pd.Series([pd.NaT]), pd.Series([None], dtype=object)])
@pytest.mark.parametrize("kind", [pd.to_timedelta(np.arange(60), unit="h"), np.arange(60) / 4, pd.Series(DAYS)])
def test_a_lone_empty_cell_is_missing_whatever_pandas_takes_it_for(cells, kind):
    schema = Schema.infer(pd.DataFrame({"v": kind, "w": np.arange(60) % 7}))
    row = pd.DataFrame({"v": cells, "w": [1]})
    x = schema.encode(row)[0]
    assert np.isnan(x[0, 0])
    whole = filled(row, schema, np.nan_to_num(x))
    assert whole["v"].notna().all()
    np.testing.assert_allclose(schema.encode(whole)[0], np.nan_to_num(x), atol=1e-3)


def test_a_column_is_flagged_wherever_its_hole_stands(rng):
    x = pd.DataFrame(rng.normal(50, 5, (2500, 2)), columns=["a", "b"])
    x.loc[2000, "b"] = np.nan
    fitting = begin(x, Settings(clusters=2, hidden=(4,), latent_dim=1, precision="float32"))
    (layer,) = (each for each in fitting.model.encoder.layers if isinstance(each, networks.Filled))
    assert layer.flagged == [1]
    np.testing.assert_allclose(layer.fill, 0, atol=1e-4)


def test_a_column_that_few_rows_know_weighs_little_in_the_start(rng):
    """Its known cells have variance 1, as those of other columns; the missing ones have its mean."""
    x = pd.DataFrame(rng.normal(50, 5, (2000, 2)), columns=["a", "b"])
    x.loc[rng.random(2000) > 0.02, "b"] = np.nan
    fitting = begin(x, Settings(clusters=2, hidden=(4,), latent_dim=1, precision="float32"))
    (rows,) = feature_spaces.columns(fitting.model, fitting.data.x)(fitting.data.x)
    known = x["b"].notna().to_numpy()
    assert rows[known, 1].std() == pytest.approx(1, rel=0.01)
    assert (rows[~known, 1] == 0).all()


@pytest.mark.parametrize("cluster", [None, 2])
def test_another_seed_draws_another_sample(small_model, cluster):
    model = small_model()
    first, again, other = (
        pd.concat(answers.sampled(model, None, 9, cluster, seed, lambda done, text: None)) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_a_hole_behind_the_first_rows_that_are_looked_at_is_one(rng, monkeypatch):
    monkeypatch.setattr(checks, "CHECK_ROWS", 100)
    frame = pd.DataFrame(rng.normal(50, 5, (300, 2)), columns=["a", "b"])
    frame.loc[290, "b"] = np.nan
    data = observe(frame)
    assert data.has_holes
    np.testing.assert_allclose(data.moments()[0], frame.mean(), rtol=1e-5)
