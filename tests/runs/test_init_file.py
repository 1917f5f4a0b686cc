"""The start as a file: P of all rows from outside, which a run that goes on has kept."""

import keras
import numpy as np
import pytest
import small_fits

from vade_tf.cli import train as command
from vade_tf.runs import train
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run

pytestmark = pytest.mark.usefixtures("eager")


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_a_start_of_a_file_is_held_to_and_needed_no_more_once_it_is_kept(rng, tmp_path, capsys):
    P = rng.dirichlet(np.ones(3), 60)
    np.save(tmp_path / "x.npy", small_fits.sixty(rng))
    np.save(tmp_path / "p.npy", P)
    given = {**small_fits.SMALL, "data": str(tmp_path / "x.npy"), "init": str(tmp_path / "p.npy")}
    with pytest.raises(KeyboardInterrupt):
        train.train(TrainConfig(**given), tmp_path / "run", extra=[Stop()], export=False)
    np.testing.assert_array_equal(Run.open(tmp_path / "run").load("start")["P"], P.astype("f2"))
    whole = train.train(TrainConfig(**given), tmp_path / "whole", export=False)
    (tmp_path / "p.npy").unlink()
    again = train.resume(tmp_path / "run", export=False)
    assert again["start"] == whole["start"] == "the array given"
    assert again["elbo"] == whole["elbo"]

    np.save(tmp_path / "p.npy", np.arange(60) % 4)
    argv = ["--data", given["data"], "--init", given["init"], "--clusters", "3", "--out", str(tmp_path / "none")]
    assert command.main(argv) == 2
    error = capsys.readouterr().err
    assert "vade-tf train: --init: expected groups from 0 to 2 (or -1) of shape (60,), or probabilities" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "none").exists()
