"""Steps that Keras makes several a call."""

import keras
import numpy as np
import pytest

from vade_tf import Settings, fit


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
    passes = one_by_one.settings.pretrain_passes, one_by_one.settings.passes
    assert heard.batches == 6 * (2 * passes[0] + 2 * passes[1])
    for one, other in zip(one_by_one.model.get_weights(), several.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
