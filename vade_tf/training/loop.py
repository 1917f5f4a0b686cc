"""What every system's training is made of: epochs that are recorded and can be gone on from."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import keras
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.model.networks import FusedAdam
from vade_tf.model.observation import in_half
from vade_tf.model.vade import VaDE
from vade_tf.training import callbacks
from vade_tf.training.distribute import Replicas
from vade_tf.training.fitting import Fitting

PLAIN_VAE = "vae"  # name of a VaDE whose one component is N(0, I): it has no groups to look at yet
MAX_STEPS_A_CALL = 32  # that one call of TensorFlow makes; by a script, on small tables


def fit_keras(
    fitting: Fitting,
    model: keras.Model,
    batches: Callable[[range], tf.data.Dataset | None],
    *,
    loss=None,
    optimizer: keras.optimizers.Optimizer | None = None,
    more: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train any Keras model as the phase "fit": with the fit's optimizer, schedule, record and way to go on.

    Args:
        fitting: its `epochs` are trained.
        model: any model that `keras.Model.fit` trains.
        batches: function from the epochs that are left (a range) to their batches, called when the model is as an
            earlier process left it; it gives None where nothing is left to train.
        loss, optimizer: as for `keras.Model.compile`; default the fit's optimizer. The rate of another stays.
        more: the system's own callbacks.
    """
    steady = None if optimizer is None else float(optimizer.learning_rate)
    done, epochs = prepare(fitting, "fit", model, loss, optimizer), fitting.settings.epochs
    span = range(done, epochs)
    own = phase_callbacks(fitting, "fit", span, epochs, steady=steady)
    train_epochs(fitting, "fit", model, span, batches, [*more, *own])
    model.train_function = None  # of a later training, whose steps are made one at a time


def prepare(fitting: Fitting, phase: str, model: keras.Model, loss=None, optimizer=None) -> int:
    """Compile a model and, if an earlier process began its phase, restore it; returns the epochs done."""
    settings, state = fitting.settings, fitting.state
    optimizer = optimizer or FusedAdam(settings.learning_rate, epsilon=settings.adam_epsilon)
    if fitting.strategy is None and in_half(model):  # small gradients are 0 there unless scaled
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    more = {"auto_scale_loss": False} | ({} if loss is None else {"loss": loss})
    model.compile(optimizer, **more, jit_compile=fitting.jit)
    if state is None or state.phase != phase:
        return 0
    callbacks.assign(model, state.arrays)
    return state.epoch


def phase_callbacks(
    fitting: Fitting, phase: str, span: range, epochs: int, *, steady: float | None = None, seen: Rows | None = None
) -> list[keras.callbacks.Callback]:
    """Learning rate (`steady`, or the schedule's), record and progress of a phase, of whose epochs `span` are left.

    The caller's callbacks come before the record: what they put into `logs` under a column's name is in the history.
    """
    settings = fitting.settings
    rate = callbacks.learning_rate(
        settings.schedule,
        settings.learning_rate,
        epochs,
        settings.decay,
        settings.decay_epochs,
        fitting.interval(phase),
    )
    advance = fitting.reporter.phase(fitting.system if phase == "fit" else phase, len(span) * fitting.steps(phase))
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch: (steady or rate(epoch)) * 0.5 ** callbacks.retries(fitting.rows, phase)
        ),
        *fitting.callbacks,
        callbacks.Record(fitting.store, phase, epochs, fitting.rows, fitting.reporter.say, seen),
        callbacks.Progress(advance, epochs),
    ]


def train_epochs(
    fitting: Fitting,
    phase: str,
    model: keras.Model,
    span: range,
    batches: Callable[[range], tf.data.Dataset | None],
    own: list[keras.callbacks.Callback],
    whole: range | None = None,
) -> bool:
    """Train a span of the epochs of a phase, `whole` or all; returns whether no callback stopped the training.

    The callbacks `own` hear of each block of `Fitting.interval` epochs. `batches` are as for `fit_keras`.
    """
    whole, interval = whole or span, fitting.interval(phase)
    for blocks in equal_blocks(span, interval):
        data = batches(range(blocks.start, blocks.stop))
        if data is None:
            return False
        first, last = blocks.start == whole.start, blocks.stop == whole.stop
        steps = blocks.step * fitting.steps(phase)
        kept_every = callbacks.kept_every(whole.stop, interval)
        form = {"model": model, "epochs": blocks.stop, "steps": steps, "verbose": 0, "kept_every": kept_every}
        calls = callbacks.SpanCallbacks(own, fitting.callbacks, blocks, first, last, **form)
        with pipeline.reading(fitting.data.x):
            if fitting.strategy is None:
                _fit_blocks(model, data, len(blocks), steps, calls)
            else:
                if phase not in fitting.replicas:
                    fitting.replicas[phase] = Replicas(fitting.strategy, model)
                fitting.replicas[phase].train(range(len(blocks)), steps, data, calls)
        if model.stop_training:
            return False
    return True


def equal_blocks(span: range, interval: int) -> list[range]:
    """The blocks of a span of epochs, as ranges whose step is the length of a block.

    Blocks end at multiples of `interval`, so the first and the last may be shorter.
    """
    first = min(math.ceil(span.start / interval) * interval, span.stop)
    last = max(span.stop // interval * interval, first)
    edges = ((span.start, first, first - span.start), (first, last, interval), (last, span.stop, span.stop - last))
    return [range(start, stop, length) for start, stop, length in edges if stop > start]


def _fit_blocks(
    model: keras.Model, batches: tf.data.Dataset, n_blocks: int, steps: int, calls: callbacks.SpanCallbacks
) -> None:
    """Train so many blocks of so many steps on one device; to Keras a block is an epoch."""
    train = model.fit
    if isinstance(model, VaDE):
        train = partial(model.fit_unseen, hints=isinstance(batches.element_spec, tuple))
    with several_at_once(model, steps, calls.callbacks):
        train(batches, epochs=n_blocks, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=calls)


@contextmanager
def several_at_once(model: keras.Model, steps: int, own: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Inside, `model.fit` makes several steps a call, as each has a price; they are the same to the bit.

    A callback that hears of every batch needs one step a call. `steps` are those of a block. The number of steps a call
    divides them, since Keras ends a block only at the end of a call.
    """
    one_by_one = model.test_function, model.predict_function
    if not model.run_eagerly and not any(map(hears_batches, own)):
        a_call = max(number for number in range(1, MAX_STEPS_A_CALL + 1) if steps % number == 0)
        if a_call != getattr(model, "trained_steps_a_call", a_call):
            model.train_function = None  # it makes another number of steps
        model.steps_per_execution = model.trained_steps_a_call = a_call
        model.test_function = model.predict_function = None  # callbacks make some of as many steps
    try:
        yield
    finally:
        model.steps_per_execution = 1
        model.test_function, model.predict_function = one_by_one


def hears_batches(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback is to be called for every batch. Progress counts those it was not called for."""
    names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    own = [getattr(getattr(callback, name), "__func__", None) for name in names]
    plain = [getattr(keras.callbacks.Callback, name) for name in names]
    return own != plain and not isinstance(callback, callbacks.Progress)
