"""A fit under way, how it begins, and its result: what every phase of every system works with."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.augmentation import Augmentation
from vade_tf.data.dataset import Observations
from vade_tf.data.schema import Schema
from vade_tf.data.sparse import Rows, part
from vade_tf.errors import InputError
from vade_tf.model import choice, own_networks
from vade_tf.model.observation import in_half
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training import (
    arguments,
    aside,
    begun,
    build,
    cluster,
    device,
    diagnostics,
    distribute,
    given,
    health,
    initialization,
)
from vade_tf.training.n_clusters import Choice
from vade_tf.training.replicas import Replicas
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import SAMPLE_ROWS, Resolved, Settings
from vade_tf.training.store import Memory, State, Store, kept
from vade_tf.training.watch import Watch


@dataclass(frozen=True)
class Fitting:
    """A fit under way: what every phase works with. `begin` makes one.

    Attributes:
        data: the rows, without labels.
        settings: all of them resolved.
        model: the VaDE whose networks are trained; other systems use its networks and its way to scale rows.
        hints: known group of each row, -1 for none, int [n]; None without hints.
        init: a start of the caller's own, see `recipe.fit`, or None.
        own_networks: whether the networks are the caller's.
        store: what is kept, and found again after a pause.
        state: where an earlier process stopped, or None.
        rows: the history, a dict an epoch.
        aside: numbers of the rows that get no gradient, int [m].
        extra: the caller's callbacks.
        bests: those of them that keep the best model, with what they held for the best before the fit.
        system: name of what is trained, for the reporter.
        strategy: of the devices that share every batch; None: one device.
    """

    data: Observations
    settings: Resolved
    model: VaDE
    hints: np.ndarray | None
    init: Any
    own_networks: bool
    store: Store
    state: State | None
    rows: list[dict]
    aside: np.ndarray
    reporter: Silent
    extra: Sequence[keras.callbacks.Callback]
    bests: Sequence[tuple[keras.callbacks.ModelCheckpoint, float | None]]
    jit: bool
    precision: str
    system: str = "vade"
    strategy: tf.distribute.Strategy | None = None
    replicas: dict[str, Replicas] = field(default_factory=dict)  # by phase
    seconds: dict[str, float] = field(default_factory=lambda: {"init": 0.0})  # of what has no epochs
    copies: list[tf.Tensor | None] = field(default_factory=list)  # `held`, once it was asked for

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts what happens inside among the seconds of "init", also for a fit that goes on after a pause."""
        begun = time.perf_counter()
        yield
        self.seconds["init"] += time.perf_counter() - begun
        self.store.save("seconds", {name: np.array(value) for name, value in self.seconds.items()})

    @property
    def held(self) -> tf.Tensor | None:
        """The rows of all phases' batches, see `pipeline.hold`: one copy, also after K was chosen."""
        if not self.copies:
            self.copies.append(pipeline.hold(self.data.rows))
        return self.copies[0]

    @property
    def measured(self) -> tuple[Rows, Rows]:
        """The rows by which p(x|z) gets its variance: those set aside, and some that are trained on, drawn."""
        x, trained = self.data.rows, self.read("fit")
        n = len(x) if trained is None else len(trained)
        drawn = subset(n, pipeline.together(x, SAMPLE_ROWS), self.settings.seed, Stream.LOOKED_AT)
        return part(x, self.aside), part(x, drawn if trained is None else trained[drawn])

    def passes(self, phase: str) -> int:
        """How often an epoch of a phase reads all rows."""
        return self.settings.pretrain_passes if phase == "pretrain" else self.settings.passes

    def steps(self, phase: str) -> int:
        """Updates of an epoch of a phase."""
        n = len(self.data.x) - (len(self.aside) if self.leaves(phase) else 0)
        return self.passes(phase) * pipeline.steps_per_epoch(n, self.settings.batch_size)

    def leaves(self, phase: str) -> bool:
        """Whether a phase leaves the rows set aside out; another system than VaDE assigns what it reads."""
        return len(self.aside) > 0 and (phase == "pretrain" or self.system == "vade")

    def read(self, phase: str) -> np.ndarray | None:
        """Numbers of the rows that a phase is trained on; None: all."""
        if not self.leaves(phase):
            return None
        trained = np.ones(len(self.data.x), bool)
        trained[self.aside] = False
        return np.flatnonzero(trained)

    def seen(self, phase: str) -> Augmentation | None:
        """How the encoder reads images in a phase, as `batches` takes it; None where it reads rows as they are."""
        settings, shape = self.settings, self.data.image_shape
        if settings.augment == "none" or shape is None or (phase == "pretrain" and settings.network != "conv"):
            return None
        return Augmentation(shape, settings.augment, self.data.paper, self.data.ends)

    def batches(self, phase: str, span: range, seed: int | None = None, **more) -> tf.data.Dataset:
        """Batches of the epochs of a span, see `pipeline.training_batches`; seed: of their order, default the fit's."""
        seed = self.settings.seed if seed is None else seed
        size, passes = self.settings.batch_size, self.passes(phase)
        if self.strategy is not None:
            more["slices"] = distribute.slices(self.strategy)
        return pipeline.training_batches(
            self.data.rows, size, seed, span, passes=passes, numbers=self.read(phase), held=self.held, **more
        )

    def by_chief(self, find: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays that training goes on from, as the chief of the workers finds them."""
        found = distribute.from_chief(self.strategy, find)
        assert found is not None
        return found


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Attributes:
        model: the fitted `keras.Model`: a `VaDE`, or what another system fitted; `predict` gives probabilities [n, K].
        history: a dict an epoch of each phase: see `store.COLUMNS`.
        settings: the settings, with all that followed from the rows.
        seconds: by phase: pretrain, init (all that has no epochs), fit, and their total.
        health: what is wrong with the result, a sentence each; empty for other systems, of which nothing is known.
        remedies: what was done about it during training, a sentence each.
        choice: why it has so many clusters, where it has chosen their number itself.
        kind: what the rows were taken for: "images", "counts", "texts", "table" or "rows".
        start: the start of the mixture, in words.
        schema: of rows that came as a DataFrame: `model.predict(schema.encode(frame)[0])` reads such rows; else None.
    """

    model: keras.Model
    history: list[dict]
    settings: Resolved
    seconds: dict[str, float]
    health: list[str]
    remedies: list[str]
    choice: Choice | None = None
    kind: str = ""
    start: str = ""
    schema: Schema | None = None


def begin(
    x,
    settings: Settings,
    hints=None,
    store: Store | None = None,
    reporter: Silent | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    init: Any = None,
    networks: tuple[keras.Model, keras.Model] | None = None,
    system: str = "vade",
    epochs: int | None = None,
    updates: int = 0,
    pretrains: bool = True,
) -> Fitting:
    """A fit that can start, or go on where the store says that it stopped.

    Args:
        x, settings, hints, store, reporter, callbacks, init, networks: see `recipe.fit`.
        system, epochs, updates, pretrains: of a system that is not VaDE: its name, its epochs on many rows or its
            updates (see `Settings.resolve`), and whether it starts from the autoencoder.

    Raises:
        InputError: rows, settings, hints or networks that cannot be used; it names the argument.
    """
    arguments.check(settings, store, reporter)
    callbacks = arguments.checked_callbacks(callbacks)
    if settings.distribute != "none" and system != "vade":
        raise InputError(f"distribute: expected 'none', several devices train VaDE alone, got {settings.distribute!r}")
    strategy = cluster.strategy(settings.distribute)
    data = given.as_observations(x, settings.likelihood)
    likelihood = choice.choose(data)
    if data.origins is not None and system != "vade":
        raise InputError(f"batch: expected VaDE, which alone is told of batches, got {system}; leave it out")
    network = settings.network if networks is not None else given.network(data, likelihood, settings)
    resolved = settings.resolve(
        *data.x.shape,
        epochs=epochs,
        updates=updates,
        pretrains=pretrains,
        sharpens=system == "vade" and given.sharpens(data, likelihood),
        convolves=system == "vade" and networks is None and network == "conv",
        learns_variance=likelihood.learns_variance,
    )
    if networks is None:
        resolved = replace(resolved, network=network)
    elif settings.network != "auto":
        raise InputError(
            f"network: expected 'auto' beside networks of your own, got {settings.network!r}; give one of the two"
        )
    if not isinstance(settings, Resolved):
        given.check_widths(settings, own=networks is not None)
    known = None if hints is None else given.checked_hints(hints, len(data.x), resolved.clusters)
    given.check(data, likelihood, resolved, known)
    precision = device.shared_precision(resolved.precision, strategy)
    model = build.build_model(data, likelihood, resolved, precision, networks)
    if networks is not None:
        arguments.check_beside_networks(settings, model)
    if strategy is not None and in_half(model):
        raise InputError(
            "encoder and decoder: expected float32 or mixed_bfloat16 with distribute, got float16, whose gradients are "
            "not scaled there; give networks of another precision"
        )
    if strategy is not None and networks is not None:
        own_networks.check_layers(model, "devices cannot have copies of")
    own = store = Memory() if store is None else store
    reporter = reporter or Silent()
    if strategy is not None:
        if distribute.workers(strategy) > 1:
            store = distribute.Shared(strategy, store)
        if strategy.num_replicas_in_sync == 1:
            reporter.say(f"distribute: {settings.distribute} found one device")
    state = State.load(store)
    hinted = "none" if known is None else f"{zlib.crc32(known.data):08x}"
    about = {"system": system, "likelihood": likelihood.name, "hints": hinted, "kind": data.kind}
    distribute.from_chief(strategy, lambda: begun.check(own, data.rows, resolved, about, goes_on=state is not None))
    spent = kept(store, "seconds", {"init": ("f", ())})
    out = aside.lent(store, len(data.x), known) if resolved.validation_rows else None
    if out is None:
        out = aside.set_aside(len(data.x), resolved.validation_rows, resolved.seed, known)
    return Fitting(
        data,
        resolved,
        model,
        known,
        initialization.checked(init, len(data.x), resolved.clusters),
        networks is not None,
        store,
        state,
        [] if state is None else state.rows,
        out,
        reporter,
        callbacks,
        [(each, each.best) for each in callbacks if isinstance(each, keras.callbacks.ModelCheckpoint)],
        device.resolve_jit(resolved.jit) and strategy is None,
        precision,
        system,
        strategy,
        seconds={"init": 0.0 if spent is None else float(spent["init"])},
    )


def fitted(fitting: Fitting, model: keras.Model, remedies: Sequence[str] = (), findings: Sequence[str] = ()) -> Fitted:
    """The result of a fit whose phases are over; remedies and findings: those besides the ones of `health`."""
    seconds = {
        phase: sum(row["seconds"] for row in fitting.rows if row["phase"] == phase) for phase in ("pretrain", "fit")
    }
    seconds = {"pretrain": seconds["pretrain"], "init": fitting.seconds["init"], "fit": seconds["fit"]}
    seconds["total"] = sum(seconds.values())
    found = []
    if isinstance(model, VaDE):
        look = Watch(fitting.data.x, fitting.settings.clusters, fitting.settings.seed)
        trained = any(row["phase"] == "fit" and "rate_z" in row for row in fitting.rows)
        silent = health.silent(look.rate_z(model)) if trained else []
        found = [
            *findings,
            *diagnostics.of_rows(fitting.data, model.likelihood),
            *health.lost(fitting.rows),
            *silent,
            *(finding.text for finding in health.findings(look.look(model))),
        ]
    if model.compiled and model.jit_compile:  # for answers XLA would compile anew for every other number of rows
        model.jit_compile = False
        model.train_function = model.test_function = model.predict_function = None
    told, schema = [*health.remedies(fitting.rows), *remedies], fitting.data.schema
    schema = schema if isinstance(schema, Schema) else None
    return Fitted(model, fitting.rows, fitting.settings, seconds, found, told, schema=schema)
