"""One finished run of a table, which the promises share."""

from types import SimpleNamespace

import numpy as np
import pytest
from promised import blobs, table, train


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """A folder with files of made rows: x.npy and y.npy, and train.csv."""
    folder = tmp_path_factory.mktemp("rows")
    x, y = blobs()
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    table().to_csv(folder / "train.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def finished(rows, tmp_path_factory):
    """A finished run on train.csv: its folder, the flags that name its rows, and all flags."""
    run = tmp_path_factory.mktemp("finished") / "run"
    flags = ["--data", rows / "train.csv", "--clusters", 3, "--labels", "kind", "--id", "name"]
    train(*flags, "--out", run)
    return SimpleNamespace(run=run, flags=flags)
