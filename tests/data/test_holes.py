"""Tables of mixed columns with missing cells, from the file to the clusters: rows with holes are clustered, too."""

import numpy as np
import pandas as pd
import pytest
from small_files import loaded

from vade_tf import VaDEClusterer, metrics
from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import MODELS, TrainConfig
from vade_tf.runs.folder import load
from vade_tf.serving.client import Served
from vade_tf.serving.export import export

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


def test_a_missing_cell_is_filled_with_what_its_row_says(table):
    """By default settings: nearer to what was there than the mean of the column, and the colour of the group."""
    frame, whole, _ = table
    found = VaDEClusterer(3, random_state=0).fit(frame).impute(frame)
    assert not found.isna().any().any()
    gone = frame["weight"].isna()
    error = (found["weight"] - whole["weight"])[gone].abs().mean()
    assert error < 0.5 * (whole["weight"] - whole["weight"].mean())[gone].abs().mean()
    gone = frame["colour"].isna()
    assert (found["colour"] == whole["colour"])[gone].mean() > 0.7
    pd.testing.assert_series_equal(found["height"][frame["height"].notna()], frame["height"].dropna())


@pytest.mark.parametrize("system", [name for name in MODELS if name != "dec_da"])  # which is of images alone
def test_every_system_takes_holes_and_its_run_gives_the_same_clusters_again(system, table, tmp_path, eager):
    table[0].iloc[:60].to_csv(tmp_path / "t.csv", index=False)
    config = TrainConfig(data=str(tmp_path / "t.csv"), model=system, clusters=3, **SHORT)
    training.train(config, tmp_path / "run", export=system == "vade")
    kept = pd.read_csv(tmp_path / "run" / "assignments.csv")
    rows = loaded(str(tmp_path / "t.csv")).x
    assert np.isnan(rows).any()
    np.testing.assert_array_equal(np.asarray(load(tmp_path / "run")(rows)).argmax(axis=1), kept["cluster"])
