"""A fit under way, how it begins, and its result: what every phase of every system works with."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.rows import Rows, part
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import own_networks
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.networks import compute_in_float32
from vade_tf.model.observation import in_half
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training import build, choice, device, distribute, health, validation
from vade_tf.training.initialization import as_partition
from vade_tf.training.n_clusters import Choice
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import SAMPLE_ROWS, VADE_PHASES, Phases, Resolved, Settings
from vade_tf.training.store import Memory, State, Store, check_fingerprint


class Extras(TypedDict, total=False):
    """What a caller may give by name beside rows, settings and hints, see `recipe.fit`."""

    callbacks: Sequence[keras.callbacks.Callback]
    init: Any
    networks: build.Networks | None
    sample_weight: Any


@dataclass(frozen=True)
class Fitting:
    """A fit under way: what every phase works with. `begin` makes one."""

    data: Observations  # the rows, without labels
    settings: Resolved
    model: VaDE  # whose networks are trained; other systems use its networks and its way to scale rows
    hints: np.ndarray | None  # known group of each row, -1 for none, int [n]
    init: Any  # a start of the caller's own (see `recipe.fit`), an array as P [n, K]; or None
    sample_weight: np.ndarray | None  # weight of each row, of mean 1, float32 [n]
    own_networks: bool  # whether the networks are the caller's
    store: Store  # what is kept, and found again after a pause
    state: State | None  # where an earlier process stopped
    rows: list[dict]  # the history, a dict for each recorded epoch
    validation: np.ndarray  # numbers of the validation rows, which get no gradient, int [m]
    reporter: Silent
    callbacks: Sequence[keras.callbacks.Callback]  # the caller's
    jit: bool
    precision: str  # dtype policy of the hidden layers
    system: str = "vade"
    strategy: tf.distribute.Strategy | None = None  # of the devices that share every batch; None: one device
    replicas: dict[str, distribute.Replicas] = field(default_factory=dict)  # of the models, by phase
    seconds: dict[str, float] = field(default_factory=lambda: {"init": 0.0})  # of what has no epochs
    copies: list[tf.Tensor | None] = field(default_factory=list)  # `held`, once it was asked for

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts what happens inside among the seconds of "init", also for a fit that goes on after a pause."""
        started = time.perf_counter()
        yield
        self.seconds["init"] += time.perf_counter() - started
        self.store.save("seconds", {name: np.array(value) for name, value in self.seconds.items()})

    @property
    def held(self) -> tf.Tensor | None:
        """The rows of all phases' batches, see `pipeline.hold`: one copy, also after K was chosen."""
        if not self.copies:
            self.copies.append(pipeline.hold(self.data.rows))
        return self.copies[0]

    @property
    def measured(self) -> tuple[Rows, Rows]:
        """The rows by which p(x|z) gets its variance: validation rows, and some of those trained on."""
        x, trained = self.data.rows, self.trained("fit")
        drawn = trained[subset(len(trained), pipeline.together(x, SAMPLE_ROWS), self.settings.seed, Stream.LOOKED_AT)]
        return part(x, self.validation), part(x, drawn)

    def trained(self, phase: str) -> np.ndarray:
        """Numbers of the rows that a phase is trained on. Another system than VaDE assigns what it reads: all."""
        validated = phase == "pretrain" or self.system == "vade"
        return np.setdiff1d(np.arange(len(self.data.x)), self.validation if validated else [], assume_unique=True)

    def interval(self, phase: str) -> int:
        """Epochs of a phase between two records."""
        return self.settings.pretrain_interval if phase == "pretrain" else self.settings.interval

    def steps(self, phase: str) -> int:
        """Updates of an epoch of a phase, which is one pass over its rows."""
        return pipeline.steps_per_epoch(len(self.trained(phase)), self.settings.batch_size)

    def augmentation(self, phase: str) -> pipeline.Augmentation | None:
        """How the encoder reads images in a phase, as `batches` takes it; None where it reads rows as they are."""
        settings, shape = self.settings, self.data.image_shape
        if (
            settings.augment == "none"
            or self.data.kind != "images"
            or shape is None
            or (phase == "pretrain" and settings.network != "conv")
        ):
            return None
        return pipeline.Augmentation(shape, self.data.background)

    def batches(self, phase: str, span: range, seed: int | None = None, **more) -> tf.data.Dataset:
        """Batches of the epochs of a span, see `pipeline.training_batches`; seed: of their order, default the fit's.

        Weights of rows come last in a batch, where there are any.
        """
        settings, trained = self.settings, self.trained(phase)
        if self.strategy is not None:
            more["slices"] = distribute.slices(self.strategy)
        if self.sample_weight is not None:
            more["beside"] = [*more.get("beside", ()), self.sample_weight]
        more |= {"numbers": None if len(trained) == len(self.data.x) else trained, "held": self.held}
        seed = settings.seed if seed is None else seed
        return pipeline.training_batches(self.data.rows, settings.batch_size, seed, span, **more)

    def by_chief(self, find: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays that training goes on from, as the chief of the workers finds them."""
        return distribute.from_chief(self.strategy, find)


@dataclass(frozen=True, repr=False)
class Fitted:
    """The result of a fit."""

    model: keras.Model  # a `VaDE`, or what another system fitted; `predict` gives probabilities [n, K]
    history: list[dict]  # a dict for each recorded epoch of each phase: see `store.COLUMNS`
    settings: Resolved  # with all that followed from the rows
    seconds: dict[str, float]  # of pretrain, init (all that has no epochs), fit, and total
    health: list[str]  # what is wrong with the result, a sentence each; of VaDE alone
    remedies: list[str]  # what was done about it during training, a sentence each
    choice: Choice | None = None  # why it has so many clusters, where it has chosen their number itself
    kind: str = ""  # what the rows were taken for: one of `data.dataset.KINDS`
    start: str = ""  # the start of the mixture, in words
    schema: Schema | None = None  # of a DataFrame: `model.predict(schema.encode(frame)[0])` reads such rows

    def __repr__(self) -> str:
        """What a person wants to see of it, a line each."""
        phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        last = {name: round(value, 3) for name, value in (self.history or [{}])[-1].items() if name in ("loss", "elbo")}
        lines = [f"{type(self.model).__name__} of {self.settings.clusters} clusters, {phases}", f"last epoch: {last}"]
        lines += [f"{name}: {text}" for name, text in (("rows", self.kind), ("start", self.start)) if text]
        return "\n".join([*lines, *self.health, *self.remedies])


def begin(
    x,
    settings: Settings,
    hints=None,
    store: Store | None = None,
    reporter: Silent | None = None,
    *,
    system: str = "vade",
    phases: Phases = VADE_PHASES,
    **extras: Unpack[Extras],
) -> Fitting:
    """A fit that can start, or go on where the store says that it stopped.

    Args:
        x, settings, hints, store, reporter, extras: see `recipe.fit`.
        system, phases: of a system that is not VaDE: its name, and the length of its phases.

    Raises:
        InputError: rows, settings, hints or networks that cannot be used; it names the argument.
    """
    networks, init = extras.get("networks"), extras.get("init")
    data = build.as_observations(x, choice.kind_of_settings(settings))
    _check_system(system, settings, data)
    data, likelihood, resolved = choice.resolve(data, settings, phases, own_networks=networks is not None)
    n, clusters = len(data.x), resolved.clusters
    hints = None if hints is None else build.validate_hints(hints, n, clusters)
    build.validate_together(data, likelihood, resolved, hints)
    weights = extras.get("sample_weight")
    weights = None if weights is None else build.validate_weights(weights, n)
    is_array = not (init is None or callable(init) or hasattr(init, "fit"))
    strategy = device.strategy(settings.distribute)
    precision = device.resolve_precision(resolved.precision, shared=strategy is not None)
    model = build.build_model(data, likelihood, resolved, precision, networks)
    _check_shared(model, strategy, networks)
    own_store = Memory() if store is None else store
    store = own_store if distribute.workers(strategy) == 1 else distribute.Shared(strategy, own_store)
    state = State.load(store)
    facts = _facts(system, likelihood, data, hints, weights)
    distribute.from_chief(strategy, lambda: check_fingerprint(own_store, data.rows, resolved, facts))
    spent = store.load("seconds")
    return Fitting(
        data=data,
        settings=resolved,
        model=model,
        hints=hints,
        init=as_partition(init, n, clusters) if is_array else init,
        sample_weight=weights,
        own_networks=networks is not None,
        store=store,
        state=state,
        rows=[] if state is None else state.rows,
        validation=validation.choose_rows(store, n, resolved.validation_rows, resolved.seed, hints),
        reporter=reporter or Silent(),
        callbacks=build.validate_callbacks(extras.get("callbacks")),
        jit=device.resolve_jit(resolved.jit) and strategy is None,
        precision=precision,
        system=system,
        strategy=strategy,
        seconds={"init": 0.0 if spent is None else float(spent["init"])},
    )


def _check_system(system: str, settings: Settings, data: Observations) -> None:
    """Raises InputError where a system that is not VaDE is asked for what VaDE alone can do."""
    if system != "vade" and settings.distribute != "none":
        raise InputError("distribute", "'none': several devices train VaDE alone", repr(settings.distribute))
    if system != "vade" and data.batch_index is not None:
        raise InputError("batch", "VaDE, which alone knows batches", system, "leave it out")


def _check_shared(model: VaDE, strategy: tf.distribute.Strategy | None, networks: build.Networks | None) -> None:
    """Raises InputError where several devices cannot train the caller's networks together."""
    if strategy is None or networks is None:
        return
    if in_half(model):  # whose gradients are scaled on one device alone
        raise InputError("networks", "float32 or mixed_bfloat16 with distribute", "float16")
    own_networks.check_layers(model, "devices cannot have copies of")


def _facts(
    system: str, likelihood: Likelihood, data: Observations, hints: np.ndarray | None, weights: np.ndarray | None
) -> dict[str, str]:
    """What a store has to agree on with the fit that goes on from it, besides rows and settings."""
    checksum = "none" if hints is None else f"{zlib.crc32(hints.data):08x}"
    facts = {"system": system, "likelihood": likelihood.name, "hints": checksum, "kind": data.kind}
    return facts if weights is None else {**facts, "sample_weight": f"{zlib.crc32(weights.data):08x}"}


def fitted(fitting: Fitting, model: keras.Model, findings: Sequence[str] = ()) -> Fitted:
    """The result of a fit whose phases are over; findings: those besides the ones of `health`."""
    rows, settings, schema = fitting.rows, fitting.settings, fitting.data.schema
    seconds = {phase: sum(row["seconds"] for row in rows if row["phase"] == phase) for phase in ("pretrain", "fit")}
    seconds = {"pretrain": seconds["pretrain"], "init": fitting.seconds["init"], "fit": seconds["fit"]}
    compute_in_float32(model)
    model.jit_compile = False  # for answers XLA would compile anew for every other number of rows
    found: list[str] = []
    if isinstance(model, VaDE):
        signals = health.signals(model, health.sample(fitting.data.x, settings.seed))
        found = [*findings, *health.findings(signals)]
    return Fitted(
        model,
        rows,
        settings,
        {**seconds, "total": sum(seconds.values())},
        found,
        health.remedies(rows),
        schema=schema if isinstance(schema, Schema) else None,
    )
