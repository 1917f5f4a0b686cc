"""What every system's training is made of: the work of a run, the autoencoder's phase, and epochs that are recorded."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from vade_tf import callbacks, device, elbo, metrics
from vade_tf.config import TrainConfig
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.errors import InputError
from vade_tf.model import VaDE
from vade_tf.optimizer import FusedAdam
from vade_tf.run import Run, State


class Silent:
    """The reporter that shows nothing; also the form of every reporter."""

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        pass

    def say(self, text: str) -> None:
        """One sentence a person should read."""

    def phase(self, name: str, batches: int) -> Callable[[int, str], None]:
        """A phase ("pretrain", "init" or the system) begins: returns what hears of (batches done since, a text)."""
        return lambda done, text: None

    def result(self, metrics: dict, out: str) -> None:
        """A run has ended."""

    def seeds(self, summary: dict, out: str) -> None:
        """A run over several seeds has ended."""

    def sweep(self, summary: dict, out: str) -> None:
        """A run over several numbers of clusters has ended."""


@dataclass(frozen=True)
class Work:
    """What every phase works with. `state` is where an earlier process stopped; `rows` are those of metrics.csv."""

    run: Run
    dataset: Dataset
    hints: np.ndarray | None
    model: VaDE
    jit: bool
    state: State | None
    rows: list[dict]
    reporter: Silent
    extra: Sequence[keras.callbacks.Callback]
    seconds: dict[str, float] = field(default_factory=lambda: {"init": 0.0})  # of what has no epochs

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts what happens inside among the seconds of "init"."""
        begun = time.perf_counter()
        yield
        self.seconds["init"] += time.perf_counter() - begun

    @property
    def config(self) -> TrainConfig:
        return self.run.config


def pretrain(work: Work) -> None:
    """The deterministic autoencoder made of the model's own networks."""
    if work.state is not None and work.state.phase != "pretrain":
        return
    config, networks = work.config, (work.model.encoder, work.model.decoder)
    if config.pretrained is not None:
        weights = iter(pretrained_by(config, work.dataset))
        for network in networks:
            network.set_weights([next(weights) for _ in network.weights])
    elif config.pretrain_epochs != 0:
        autoencoder = build_autoencoder(work.model)
        done = prepare(work, "pretrain", autoencoder, reconstruction_loss(work.model))
        span = range(done, filled(config.pretrain_epochs))
        batches = pipeline.training_batches(work.dataset.x, config.batch_size, config.seed, span)
        own = phase_callbacks(work, "pretrain", span, span.stop)
        targets = batches.map(lambda x: (x, x))  # an autoencoder's target is its input
        train_epochs(work, autoencoder, span, targets, own)
    work.run.save_pretrained([weight for network in networks for weight in network.get_weights()])


def pretrained_by(config: TrainConfig, dataset: Dataset) -> list[np.ndarray]:
    """Weights of encoder and decoder as the run `config.pretrained` had them after its pretraining.

    Raises:
        InputError: no such run, not pretrained yet, on other data, or of another code width.
    """
    assert config.pretrained is not None
    run = Run.open(config.pretrained)
    run.check_data(dataset.fingerprint, "--pretrained")
    weights = run.load_pretrained()
    if weights is None:
        raise InputError(f"--pretrained: {run.path} has not finished its pretraining")
    if run.config.latent_dim != config.latent_dim:
        raise InputError(
            f"--pretrained: the code of {run.path} is {run.config.latent_dim} wide, expected {config.latent_dim}; "
            f"give --latent-dim {run.config.latent_dim}"
        )
    return weights


def fit_keras(
    work: Work,
    model: keras.Model,
    batches: Callable[[range], tf.data.Dataset | None],
    *,
    loss=None,
    score=dict,
    window=0,
    optimizer: keras.optimizers.Optimizer | None = None,
) -> None:
    """Train any Keras model as the phase "fit": with the run's optimizer, schedule, record and way to resume.

    Args:
        work: the run; its `epochs` are trained.
        model: any model that `keras.Model.fit` trains.
        batches: function from a span of epochs (a range) to their batches; None ends the training.
        loss: as for `keras.Model.compile`.
        score: gives further columns after an epoch, see `callbacks.Record`.
        window: epochs a span, counted from epoch 0; 0: one span of all that are left.
        optimizer: the system's own, at a rate that stays; default the run's.
    """
    steady = None if optimizer is None else float(optimizer.learning_rate)
    done, epochs = prepare(work, "fit", model, loss, optimizer), filled(work.config.epochs)
    own = phase_callbacks(work, "fit", range(done, epochs), epochs, steady=steady, score=score)
    for first in range(0, epochs, window or epochs):
        span = range(max(first, done), min(first + (window or epochs), epochs))
        if len(span):
            found = batches(span)
            if found is None:
                return
            train_epochs(work, model, span, found, own)


def build_autoencoder(model: VaDE) -> keras.Model:
    """The deterministic autoencoder made of a VaDE's own networks: raw x -> decoder(m(x))."""
    x = keras.Input(model.encoder.input_shape[1:])
    scaled = x if model.scaling is None else model.scaling(x)
    return keras.Model(x, model.decoder(mean_encoder(model)(scaled)), name="autoencoder")


def reconstruction_loss(model: VaDE):
    """The autoencoder's Keras loss: raw target [batch, D], decoder output [batch, D] -> nats [batch]."""
    distortion = elbo.DISTORTIONS[model.likelihood]
    return lambda x, out: distortion(model.scale(x), out)


def model_groups(model: keras.Model, dataset: Dataset) -> np.ndarray:
    """The most probable cluster of every row, int [n]."""
    return model.predict(pipeline.ordered_batches(dataset.x), verbose=0).argmax(axis=1)


def label_scores(model: keras.Model, dataset: Dataset) -> dict:
    """ACC, NMI and ARI of the model's groups; empty without labels."""
    return {} if dataset.y is None else metrics.scores(dataset.y, model_groups(model, dataset))


def filled(value: int | None) -> int:
    """A setting that `training` has settled."""
    assert value is not None
    return value


def mean_encoder(model: VaDE) -> keras.Model:
    """The encoder without its log-variance head: scaled x [n, D] -> m [n, latent]."""
    return keras.Model(model.encoder.inputs, model.encoder.outputs[0])


def codes(work: Work) -> np.ndarray:
    """The mean code of every row as the networks are now, [n, latent]."""
    batches = pipeline.ordered_batches(work.dataset.x).map(work.model.scale)
    return mean_encoder(work.model).predict(batches, verbose=0)


def prepare(work: Work, phase: str, model: keras.Model, loss=None, optimizer=None) -> int:
    """Compile a model and, if an earlier process began its phase, restore it; returns the epochs done."""
    optimizer = optimizer or FusedAdam(work.config.learning_rate, epsilon=work.config.adam_epsilon)
    if device.resolve_precision(work.config.precision) == "mixed_float16":  # small gradients are 0 there unless scaled
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, loss=loss, jit_compile=work.jit)
    if work.state is None or work.state.phase != phase:
        return 0
    callbacks.restore_arrays(model, work.state.arrays)
    return work.state.epoch


def phase_callbacks(
    work: Work, phase: str, span: range, epochs: int, *, steady: float | None = None, **record
) -> list[keras.callbacks.Callback]:
    """Learning rate, record and progress of a phase of so many epochs, of which `span` are still to do.

    The rate is `steady`, or follows the run's schedule.
    """
    config = work.config
    rate = callbacks.learning_rate(config.schedule, config.learning_rate, epochs, config.decay, config.decay_epochs)
    shown = work.config.model if phase == "fit" else phase
    batches = len(span) * pipeline.steps_per_epoch(len(work.dataset.x), work.config.batch_size)
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch: (steady or rate(epoch)) * 0.5 ** callbacks.steps_back(work.rows, phase)
        ),
        callbacks.Record(work.run, phase, epochs, work.rows, work.reporter.say, **record),
        callbacks.Advance(work.reporter.phase(shown, batches), epochs),
    ]


def train_epochs(work: Work, model: keras.Model, span: range, batches, own: list) -> None:
    """Train the epochs of a span."""
    steps = pipeline.steps_per_epoch(len(work.dataset.x), work.config.batch_size)
    ends = {"initial_epoch": span.start, "epochs": span.stop, "steps_per_epoch": steps}
    model.fit(batches, **ends, shuffle=False, verbose=0, callbacks=[*own, *work.extra])
