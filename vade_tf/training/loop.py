"""What every system's training is made of: epochs that are recorded and can be gone on from."""

from collections.abc import Callable, Sequence
from functools import partial

import keras
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.errors import cited
from vade_tf.model.observation import in_half
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.training import callbacks, execution
from vade_tf.training.fitting import Fitting
from vade_tf.training.replicas import Replicas
from vade_tf.training.store import damaged
from vade_tf.training.watch import Watch

PLAIN_VAE = "vae"  # name of a VaDE whose one component is N(0, I): it has no groups to look at yet


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
        batches: function from the epochs that are left (a range) to their batches. It is called when the model is as
            an earlier process left it; None: there is nothing left to train.
        loss: as for `keras.Model.compile`.
        optimizer: the system's own, at a rate that stays; default the fit's.
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
    settings = fitting.settings
    optimizer = optimizer or FusedAdam(settings.learning_rate, epsilon=settings.adam_epsilon)
    if fitting.strategy is None and in_half(model):  # small gradients are 0 there unless scaled
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    more = {"auto_scale_loss": False} | ({} if loss is None else {"loss": loss})
    model.compile(optimizer, **more, jit_compile=fitting.jit)
    if fitting.state is None or fitting.state.phase != phase:
        return 0
    most = settings.pretrain_epochs if phase == "pretrain" else settings.epochs
    try:
        if fitting.state.epoch > most:
            raise ValueError(f"{fitting.state.epoch} epochs done of {most}")
        callbacks.restore_arrays(model, fitting.state.arrays)
    except ValueError as error:
        raise damaged(
            fitting.store, "state", f"{cited(error)}, or of another version of Keras or TensorFlow"
        ) from error
    return fitting.state.epoch


def phase_callbacks(
    fitting: Fitting,
    phase: str,
    span: range,
    epochs: int,
    *,
    steady: float | None = None,
    watch: Watch | None = None,
) -> list[keras.callbacks.Callback]:
    """Learning rate, record and progress of a phase of so many epochs, of which `span` are still to do.

    The rate is `steady`, or the schedule's. The caller's callbacks come before the record: what they put into `logs`
    under the name of a column stands in the history.
    """
    settings = fitting.settings
    rate = callbacks.learning_rate(
        settings.schedule, settings.learning_rate, epochs, settings.decay, settings.decay_epochs
    )
    steps = len(span) * fitting.steps(phase)
    shown = fitting.system if phase == "fit" else phase
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch: (steady or rate(epoch)) * 0.5 ** callbacks.steps_back(fitting.rows, phase)
        ),
        *fitting.extra,
        callbacks.Record(fitting.store, phase, epochs, fitting.rows, fitting.reporter.say, watch),
        callbacks.Advance(fitting.reporter.phase(shown, steps), epochs),
    ]


def train_epochs(
    fitting: Fitting, phase: str, model: keras.Model, span: range, batches, own: list, whole: range | None = None
) -> bool:
    """Train the epochs of a span; returns whether all were trained, or a callback stopped the training.

    Args:
        fitting, phase, model: whose.
        span: the epochs.
        batches: of them, a `tf.data.Dataset`.
        own: callbacks, as `phase_callbacks` gives them and others.
        whole: the epochs of the training that the span is a part of; default: it is all of it.
    """
    steps, whole = fitting.steps(phase), whole or span
    ends: dict = {"first": span.start == whole.start, "last": span.stop == whole.stop}
    calls = callbacks.Calls(own, fitting.extra, fitting.bests, **ends, model=model, ends=span.stop, steps=steps)
    if fitting.strategy is not None:
        if phase not in fitting.replicas:
            fitting.replicas[phase] = Replicas(fitting.strategy, model)
        with pipeline.reading(fitting.data.x):
            fitting.replicas[phase].train(span, steps, batches, calls)
        return not model.stop_training
    train = model.fit
    if isinstance(model, VaDE):
        train = partial(model.fit_unseen, hints=isinstance(batches.element_spec, tuple))
    epochs = {"initial_epoch": span.start, "epochs": span.stop, "steps_per_epoch": steps}
    with pipeline.reading(fitting.data.x), execution.several_at_once(fitting.settings, model, steps, own):
        train(batches, **epochs, shuffle=False, verbose=0, callbacks=calls)
    return not model.stop_training
