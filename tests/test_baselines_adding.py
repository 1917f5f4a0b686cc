"""The worked example of docs/adding-a-system.md: its code is taken from the page, registered, trained and compared."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from vade_tf import baselines, evaluation, run, training
from vade_tf.config import TrainConfig
from vade_tf.errors import InputError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "adding-a-system.md"


@pytest.fixture
def registered(monkeypatch):
    """The example as the page has it: its file among the baselines, its line in the registry."""
    system, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    module = type(sys)("vade_tf.baselines.ward")
    exec(compile(system, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "vade_tf.baselines.ward", module)
    monkeypatch.setattr(baselines, "SYSTEMS", baselines.SYSTEMS)
    before = dict(baselines.SYSTEMS)
    exec(line, {"SYSTEMS": baselines.SYSTEMS, "System": baselines.System})
    yield
    baselines.SYSTEMS.clear()
    baselines.SYSTEMS.update(before)


def test_the_example_of_the_page_trains_loads_and_is_evaluated(registered, tmp_path):
    r = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = np.repeat(np.eye(3), 4, axis=1)[y] * 12 + r.normal(size=(90, 12))
    np.savez(tmp_path / "rows.npz", x=x.astype("f4"), y=y)
    small = {"clusters": 3, "pretrain_epochs": 10, "batch_size": 32, "latent_dim": 2}
    config = TrainConfig.create(data=str(tmp_path / "rows.npz"), model="ward", **small)
    assert training.train(config, tmp_path / "run")["acc"] == 1
    probabilities = run.load(tmp_path / "run").predict(x, verbose=0)
    assert np.array_equal(np.sort(probabilities, axis=1), np.tile([0, 0, 1], (90, 1)))
    assert evaluation.evaluate_run(tmp_path / "run").result["model"] == "ward"
    with pytest.raises(InputError, match="ward has no generative model"):
        run.load(tmp_path / "run").sample([0])


def test_without_its_line_the_name_is_not_known():
    with pytest.raises(InputError, match="--model: expected one of vade, kmeans"):
        TrainConfig.create(data="x.npy", model="ward")
