"""What every system's training is made of: epochs that are recorded and can be gone on from."""

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
    found = batches(span) if len(span) else None
    if found is not None:
        own = phase_callbacks(fitting, "fit", span, epochs, steady=steady)
        train_epochs(fitting, "fit", model, span, found, [*more, *own])
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
        settings.schedule, settings.learning_rate, epochs, settings.decay, settings.decay_epochs
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
    fitting: Fitting, phase: str, model: keras.Model, span: range, batches, own: list, whole: range | None = None
) -> bool:
    """Train a span of the epochs of a phase, `whole` or all; returns whether no callback stopped the training."""
    steps, whole = fitting.steps(phase), whole or span
    first, last = span.start == whole.start, span.stop == whole.stop
    form = {"model": model, "epochs": span.stop, "steps": steps, "verbose": 0}
    calls = callbacks.SpanCallbacks(own, fitting.callbacks, first, last, **form)
    with pipeline.reading(fitting.data.x):
        if fitting.strategy is not None:
            if phase not in fitting.replicas:
                fitting.replicas[phase] = Replicas(fitting.strategy, model)
            fitting.replicas[phase].train(span, steps, batches, calls)
        else:
            train = model.fit
            if isinstance(model, VaDE):
                train = partial(model.fit_unseen, hints=isinstance(batches.element_spec, tuple))
            epochs = {"initial_epoch": span.start, "epochs": span.stop, "steps_per_epoch": steps}
            with several_at_once(model, steps, own):
                train(batches, **epochs, shuffle=False, verbose=0, callbacks=calls)
    return not model.stop_training


@contextmanager
def several_at_once(model: keras.Model, steps: int, own: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Inside, `model.fit` makes several steps a call, as each has a price; they are the same to the bit.

    Not where one of its callbacks hears of every batch. How many divides the steps of an epoch: Keras would go on into
    the next.
    """
    asked = model.test_function, model.predict_function  # read a batch at a time
    if not model.run_eagerly and not any(map(hears_batches, own)):
        model.steps_per_execution = max(number for number in range(1, MAX_STEPS_A_CALL + 1) if steps % number == 0)
        model.test_function = model.predict_function = None  # a callback has some of its own made, for so many
    try:
        yield
    finally:
        model.steps_per_execution = 1
        model.test_function, model.predict_function = asked


def hears_batches(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback is to be called for every batch. Progress counts those it was not called for."""
    names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    own = [getattr(getattr(callback, name), "__func__", None) for name in names]
    plain = [getattr(keras.callbacks.Callback, name) for name in names]
    return own != plain and not isinstance(callback, callbacks.Progress)
