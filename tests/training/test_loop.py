"""Epochs and their blocks; steps that Keras makes several a call."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vade_tf import Settings, fit
from vade_tf.training.loop import equal_blocks


class Calls(keras.callbacks.Callback):
    """How many steps Keras makes a call, in any epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.batches = set(), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.add(self.model.steps_per_execution)


class Heard(Calls):
    """The same, called after every batch, for which each step must be a call."""

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


@pytest.mark.parametrize("shape", [(9,), (12, 12)])  # dense, convolutions
def test_several_steps_a_call_are_those_one_by_one_to_the_bit(shape):
    x = np.random.default_rng(0).uniform(size=(60, *shape)).astype("f4")
    settings = Settings(clusters=3, pretrain_epochs=2, epochs=2, batch_size=10, init="kmeans", likelihood="bernoulli")
    heard, unheard = Heard(), Calls()
    one_by_one, several = (fit(x, settings, callbacks=[each]) for each in (heard, unheard))
    assert (heard.steps, min(unheard.steps) > 1) == ({1}, True)
    assert heard.batches == 6 * (2 + 2)
    for one, other in zip(one_by_one.model.get_weights(), several.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_default_epochs_given_as_settings_train_the_same_weights(rng):
    """An epoch is a pass over the rows whether or not it is set, so setting what a fit prints changes nothing."""
    x = (4.0 * np.eye(5)[np.arange(100) % 3] + rng.normal(size=(100, 5))).astype("f4")
    settings = Settings(clusters=3, hidden=(8,), latent_dim=2)
    by_default = fit(x, settings)
    resolved = by_default.settings
    assert by_default.history[-1]["epoch"] == resolved.epochs > 100
    lengths = {name: getattr(resolved, name) for name in ("pretrain_epochs", "epochs", "guide_epochs")}
    told = fit(x, replace(settings, **lengths))
    for one, other in zip(by_default.model.get_weights(), told.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_blocks_cover_a_span_once_and_end_at_multiples_of_the_interval(start, length, interval):
    blocks = [
        range(first, first + each.step)
        for each in equal_blocks(range(start, start + length), interval)
        for first in each
    ]
    assert [epoch for block in blocks for epoch in block] == list(range(start, start + length))
    assert all(block.stop % interval == 0 for block in blocks[:-1])
