"""How many steps of a training one call of TensorFlow makes: several where they are small, as a call has a price."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

from vade_tf.training import device
from vade_tf.training.callbacks import Progress
from vade_tf.training.settings import Resolved

AT_ONCE = 32  # steps in one call, at most


@contextmanager
def several_at_once(
    settings: Resolved, model: keras.Model, steps: int, callbacks: Sequence[keras.callbacks.Callback]
) -> Iterator[None]:
    """Inside, `model.fit` makes small steps several at once; they are the same steps to the bit.

    Not where a callback hears of every batch, nor with networks of which weights do not say what they compute.

    Args:
        settings: of the fit.
        model: compiled.
        steps: of an epoch. The number of those made at once divides it: Keras would go on into the next epoch.
        callbacks: of `model.fit`.
    """
    small = settings.network == "dense" and model.count_params() * settings.batch_size <= device.small_step()
    asked = model.test_function, model.predict_function  # read a batch at a time
    if small and not model.run_eagerly and not any(map(hears_batches, callbacks)):
        model.steps_per_execution = max(number for number in range(1, AT_ONCE + 1) if steps % number == 0)
        model.test_function = model.predict_function = None  # a callback has some of its own made, for so many
    try:
        yield
    finally:
        model.steps_per_execution = 1
        model.test_function, model.predict_function = asked


def hears_batches(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback is to be called for every batch. Progress counts those it was not called for."""
    names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    plain = [getattr(keras.callbacks.Callback, name) for name in names]
    own = [getattr(getattr(callback, name), "__func__", None) for name in names]
    return own != plain and not isinstance(callback, Progress)
