"""FusedAdam takes Keras' Adam's steps."""

import functools
import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from vade_tf.model.optimizer import FusedAdam


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("settings", [{}, {"epsilon": 1e-4, "beta_1": 0.8}, {"clipnorm": 0.1}, {"weight_decay": 0.01}])
def test_equals_keras_adam(rng, jit, settings):
    start = rng.normal(size=(7, 3)).astype("f4")
    gradients = rng.normal(size=(10, 7, 3)).astype("f4")
    ends = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        variable, optimizer = keras.Variable(start), kind(0.05, **settings)
        optimizer.build([variable])
        step = tf.function(functools.partial(_apply, optimizer, variable), jit_compile=jit)
        for gradient in gradients:
            step(tf.constant(gradient))
        ends.append([variable.numpy(), *(v.numpy() for v in optimizer.variables)])
    for ours, keras_own in zip(*reversed(ends), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_variables_of_another_type_are_trained_by_keras(dtype):
    """The kernel reads float32: of others it would end the process."""
    ends = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        variable, optimizer = keras.Variable(np.ones(3), dtype=dtype), kind(0.05, beta_2=0.9)
        optimizer.build([variable])
        for _ in range(3):
            optimizer.apply([tf.ones(3, dtype)], [variable])
        ends.append(tf.cast(variable.value, tf.float32).numpy())
    np.testing.assert_array_equal(*ends)
    assert (ends[0] < 0.99).all()


def _apply(optimizer, variable, gradient):
    optimizer.apply([gradient], [variable])


def test_follows_a_schedule_and_survives_its_config(rng):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    optimizer = FusedAdam.from_config(FusedAdam(schedule).get_config())
    variable = keras.Variable(np.zeros(1, "f4"))
    steps = []
    for _ in range(3):
        before = variable.numpy()
        optimizer.apply([tf.ones(1)], [variable])
        steps.append((before - variable.numpy())[0])
    np.testing.assert_allclose(steps, [0.1, 0.05, 0.025], rtol=1e-3)


def graphs() -> int:
    """Graphs that are held by somebody."""
    gc.collect()
    return sum(issubclass(type(each), FuncGraph) for each in gc.get_objects())


def test_a_model_that_is_gone_leaves_no_graph_of_its_steps(small_model, rng):
    """A search trains hundreds of them in one process; TensorFlow keeps graphs with gradients of somebody's own."""
    x, before = rng.random((40, 12)).astype("f4"), graphs()
    model = small_model()
    model.fit(x, batch_size=20, verbose=0)
    model.predict(x, verbose=0)
    assert graphs() > before
    del model
    assert graphs() <= before
