"""No label reaches a system, or a choice between runs: labels, shuffled labels and none end with the same weights."""

import csv
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf.runs import study
from vade_tf.runs import train as training
from vade_tf.runs.config import MODELS, TrainConfig
from vade_tf.runs.folder import SCORES

SMALL = {
    "clusters": 3, "hidden": (8,), "latent_dim": 2, "batch_size": 64, "precision": "float32", "pretrain_epochs": 0,
    "epochs": 2, "init": "kmeans",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("eager_file")


def rows(system: str = "vade") -> np.ndarray:
    """60 rows without groups, in which starts find different ones: [60, 9], or images of 3 x 3 for DEC-DA."""
    x = np.random.default_rng(0).normal(size=(60, 9)).astype("f4")
    return x.reshape(60, 3, 3) if system == "dec_da" else x


def files(folder: Path, y: np.ndarray, system: str = "vade") -> dict[str, str]:
    """The same rows with labels y, with none, and for VaDE with the same labels shuffled: the path of each .npz."""
    shuffled = {"shuffled": {"y": np.random.default_rng(1).permutation(y)}} if system == "vade" else {}
    paths = {}
    for name, labels in {"labels": {"y": y}, "none": {}, **shuffled}.items():
        (folder / name).mkdir(exist_ok=True)
        paths[name] = str(folder / name / "rows.npz")
        np.savez(paths[name], x=rows(system), **labels)
    return paths


def outcome(run: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """All numbers in the file of a run's model, its weights first of all, and its assignments."""
    found = []
    with zipfile.ZipFile(run / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as stored:
        stored.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert found
    return found, np.loadtxt(run / "assignments.csv", delimiter=",", skiprows=1)


def assert_equal(one, other):
    for mine, theirs in zip([*one[0], one[1]], [*other[0], other[1]], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("system", MODELS)
def test_labels_change_nothing_in_any_system(system, tmp_path):
    """Ten rows are left out, which no label may choose either."""
    more = {"pretrain_epochs": 2} if system == "vade" else {}  # the autoencoder is the same in every system
    outcomes, results = {}, {}
    for name, path in files(tmp_path, np.arange(60) % 3, system).items():
        config = TrainConfig(data=path, model=system, limit=50, **{**SMALL, **more})
        results[name] = training.train(config, tmp_path / name / "run", export=False)
        outcomes[name] = outcome(tmp_path / name / "run")
    for found in outcomes.values():
        assert_equal(found, outcomes["none"])
    assert [result["acc"] is None for result in results.values()] == [name == "none" for name in results]
    if system == "vade":
        assert results["labels"]["ari"] != results["shuffled"]["ari"]  # the labels did come as far as the scores


STUDIES = {
    "seeds": (range(3), "seed-*", "selected"),
    "restarts": (range(3), "restart-*", "selected"),
    "clusters": ((2, 3), "k-*", "n_clusters"),
}


def studied(kind: str, path: str, out: Path) -> tuple[list[Path], int, list[dict]]:
    """The runs of a study of these rows, the number of the one it chose, and its table without scores."""
    values, pattern, chosen = STUDIES[kind]
    more = {"epochs": 1, "clusters": 5, "init": "gmm", "model": "kmeans" if kind == "seeds" else "vade"}
    study.train_study(kind, TrainConfig(data=path, **{**SMALL, **more}), out, values, export=False)
    with (out / f"{kind}.csv").open(newline="") as lines:
        table = [{name: row[name] for name in row if name not in SCORES} for row in csv.DictReader(lines)]
    choice = json.loads((out / "summary.json").read_text())[chosen]
    return sorted(out.glob(pattern)), choice - (2 if kind == "clusters" else 0), table


@pytest.mark.parametrize("kind", list(STUDIES))
def test_no_study_chooses_by_labels(kind, tmp_path):
    runs, chosen, table = studied(kind, files(tmp_path, np.zeros(60, int))["none"], tmp_path / "study")
    outcomes = [outcome(run) for run in runs]
    groups = [found[:, 1] for _, found in outcomes]
    other = min(range(len(runs)), key=lambda i: adjusted_rand_score(groups[i], groups[chosen]))
    y = np.zeros(60, int)
    y[outcomes[other][1][:, 0].astype(int)] = groups[other]  # a sweep leaves rows aside
    paths = files(tmp_path, y)
    again, choice, same = studied(kind, paths["labels"], tmp_path / "labels" / "study")
    for run, expected in zip(again, outcomes, strict=True):
        assert_equal(outcome(run), expected)
    assert (choice, same) == (chosen, table)
    ari = [json.loads((run / "metrics.json").read_text())["ari"] for run in again]
    assert ari[other] == 1 > ari[chosen] + 0.1
