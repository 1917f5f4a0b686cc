"""Other rows of the same number and width are told apart by their checksum, wherever a run folder meets data."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from vade_tf.data import dataset, observations
from vade_tf.errors import InputError
from vade_tf.report import evaluation as report
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.location import held
from vade_tf.runs.rows import load_rows

pytestmark = pytest.mark.usefixtures("eager_file")

X = np.random.default_rng(0).normal(size=(20, 4)).astype("f4")


@pytest.fixture
def run(tmp_path):
    """A run that has just begun on X; its file holds other rows of that shape by now."""
    file = tmp_path / "x.npy"
    np.save(file, X)
    config = TrainConfig.create(data=str(file), clusters=2, hidden=(8,), pretrain_epochs=1, epochs=1)
    begun = Run.create(tmp_path / "run", config, training.identity(load_rows(config)))
    np.save(file, np.where(np.arange(20)[:, None] == 13, X + 1, X))
    return begun


def test_a_run_goes_on_with_its_own_rows_alone(run):
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)


def test_a_run_goes_on_with_its_own_hints_alone(tmp_path):
    """The same hints of another type are its own."""
    data, hints = tmp_path / "x.npy", tmp_path / "hints.npy"
    np.save(data, X)
    np.save(hints, np.arange(20) % 2)
    config = TrainConfig.create(
        data=str(data), hints=str(hints), clusters=2, hidden=(8,), pretrain_epochs=1, epochs=1, guide_epochs=1
    )
    run = Run.create(tmp_path / "run", config, training.identity(load_rows(config)))
    np.save(hints, (np.arange(20) + 1) % 2)
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)
    np.save(hints, (np.arange(20) % 2).astype("i1"))
    assert training.resume(run.path, export=False)["n"] == 20


KINDS = {
    "table": lambda rng: rng.normal(size=(60, 4)),
    "images": lambda rng: np.outer(np.arange(60), np.ones(36)).reshape(60, 6, 6),
    "rows": lambda rng: normalize(rng.normal(size=(60, 201))),
    "texts": lambda rng: normalize(np.eye(4)[rng.integers(4, size=60)] + np.eye(4)[0]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_says_what_its_rows_were_taken_for_and_goes_on_with_it_alone(rng, tmp_path, kind):
    np.save(tmp_path / "x.npy", KINDS[kind](rng))
    config = TrainConfig.create(data=str(tmp_path / "x.npy"), clusters=2, hidden=(8,), pretrain_epochs=1, epochs=1)
    facts = training.identity(load_rows(config))
    assert facts["kind"] == kind
    run = Run.create(tmp_path / "run", config, {**facts, "kind": "something else"})
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)


def test_an_autoencoder_is_lent_to_its_own_rows_alone(run, tmp_path):
    config = dataclasses.replace(run.config, pretrained=str(run.path))
    wide = tmp_path / "wide.npy"
    np.save(wide, np.ones((20, 5)))
    for changed in ({}, {"seed": 1}, {"limit": 18}, {"data": str(wide)}):
        with pytest.raises(InputError, match="^pretrained: "):
            training.train(dataclasses.replace(config, **changed), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_autoencoder_of_other_rows_is_refused_though_they_were_drawn_alike(tmp_path):
    file = tmp_path / "x.npy"
    np.save(file, X)
    config = TrainConfig.create(data=str(file), clusters=2, hidden=(8,), limit=10, seed=3)
    lent = Run.create(tmp_path / "run", config, training.identity(load_rows(config)))
    for content, seed in ((X, 4), (X + 1, 3)):
        np.save(file, content)
        with pytest.raises(InputError, match="^pretrained: "):
            training.train(dataclasses.replace(config, seed=seed, pretrained=str(lent.path)), tmp_path / "other")


def test_a_run_is_evaluated_on_its_own_rows_alone(run):
    with pytest.raises(InputError, match="expected"):
        report.load_rows(run, None)


def test_its_own_rows_are_known_in_any_place(run, tmp_path):
    np.save(tmp_path / "moved.npy", X)
    config = dataclasses.replace(run.config, data=str(tmp_path / "moved.npy"))
    run.check_data(training.identity(load_rows(config)), "resume")
    assert report.load_rows(Run(run.path, config), None)[1] == 20
    with pytest.raises(InputError, match="^pretrained: "):
        training.train(dataclasses.replace(config, pretrained=str(run.path)), tmp_path / "other")


@given(st.integers(0, 19), st.integers(0, 3), st.booleans())
def test_every_value_of_every_row_counts(row, column, swap):
    """Also where the rows are looked at in parts; so does their order."""
    other = X.copy()
    if swap:
        other[[row, (row + 7) % 20]] = other[[(row + 7) % 20, row]]
    else:
        other[row, column] = np.nextafter(other[row, column], np.float32(9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "MAX_ROWS_READ", 6)
        one, again, changed = (observations.build(x, None, "x", "here").fingerprint for x in (X, X.copy(), other))
    assert one == again
    assert {**one, "crc32": 0} == {**changed, "crc32": 0}
    assert one["crc32"] != changed["crc32"]


def test_a_run_that_another_process_trains_is_left_to_it(run):
    """Two would write into one folder."""
    with held(run.path, "resume"), pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)


def test_a_run_that_was_copied_without_its_checkpoints_does_not_begin_anew(run):
    (run.path / "checkpoints").rmdir()
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)
