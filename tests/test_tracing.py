"""What a network takes before a row is there: loops of Python over its axes, and the sizes of its tensors."""

import keras
import pytest
from keras import layers

from vade_tf import VaDE
from vade_tf.errors import InputError
from vade_tf.model import tracing


def network(*steps) -> keras.Model:
    x = h = keras.Input((9,))
    for step in (layers.Reshape((9, 1)), *steps):
        h = step(h)
    return keras.Model(x, h)


def inner(length: int | None) -> keras.Model:
    x = keras.Input((length, 1))
    return keras.Model(x, layers.LSTM(1, unroll=True)(x))


def frames(times: int) -> list:
    """A loop in a loop, over as many steps each."""
    twice = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(1)))
    return [layers.ZeroPadding1D((0, times**2 - 9)), layers.Reshape((times, times, 1)), twice]


LOOPS = {  # made by the test: Keras counts names from 0 again where another test clears it, and two would be the same
    "unrolled": lambda: [layers.ZeroPadding1D(50_000), layers.GRU(1, unroll=True)],
    "a list of steps": lambda: [layers.ZeroPadding1D(50_000), layers.TimeDistributed(layers.Dense(1))],
    "a loop in a loop": lambda: frames(400),
    "both ways": lambda: [layers.ZeroPadding1D(30_000), layers.Bidirectional(layers.LSTM(1, unroll=True))],
    "in a model": lambda: [layers.ZeroPadding1D(50_000), inner(100_009)],
    "in a series": lambda: [layers.ZeroPadding1D(50_000), keras.Sequential([layers.LSTM(1, unroll=True)])],
}


@pytest.mark.parametrize("steps", LOOPS.values(), ids=LOOPS.keys())
def test_loops_over_long_axes_are_refused(steps):
    with pytest.raises(InputError, match="encoder: expected layers that Python calls at most 100,000 times"):
        tracing.check(network(*steps()), "encoder")


def test_loops_over_axes_of_unknown_length_are_refused():
    with pytest.raises(InputError, match="encoder: expected TimeDistributed and unroll=True on axes of known length"):
        tracing.check(network(inner(None)), "encoder")
    scaling = keras.Sequential([layers.RepeatVector(9), layers.LSTM(1, unroll=True)])
    with pytest.raises(InputError, match="scaling: expected TimeDistributed"):
        tracing.check(scaling, "scaling", (None, 9))


def test_usual_loops_are_taken():
    for steps in (frames(100), [inner(9)], [layers.LSTM(1, unroll=True)], [layers.Bidirectional(layers.GRU(1))]):
        tracing.check(network(*steps), "encoder")
    tracing.check(layers.Rescaling(0.5), "scaling", (None, 9))


def test_tensors_of_any_size_are_refused():
    wide = network(layers.Flatten(), layers.RepeatVector(20_000_000), layers.GlobalMaxPooling1D())
    with pytest.raises(InputError, match="encoder: expected tensors of at most 100,000,000 numbers a row"):
        tracing.check(wide, "encoder")


def test_a_vade_is_looked_at_before_it_is_traced(monkeypatch):
    monkeypatch.setattr(tracing, "CALLS", 8)
    looped, z = network(layers.LSTM(2, unroll=True)), keras.Input((2,))
    encoder = keras.Model(looped.inputs, [looped.output, looped.output])
    with pytest.raises(InputError, match="encoder: expected layers that Python calls at most 8 times"):
        VaDE(encoder, keras.Model(z, layers.Dense(9)(z)), 3)
    decoder = keras.Model(z, layers.TimeDistributed(layers.Dense(1))(layers.Reshape((9, 1))(layers.Dense(9)(z))))
    plain = keras.Model(x := keras.Input((9,)), [h := layers.Dense(2)(x), h])
    with pytest.raises(InputError, match="decoder: expected layers that Python calls at most 8 times"):
        VaDE(plain, decoder, 3)
