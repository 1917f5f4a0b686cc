"""A run from data to metrics.json: settles what the settings leave open, then the phases in order; can be resumed."""

import importlib.metadata
import math
import platform
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from vade_tf import baselines, device, health, networks, phases
from vade_tf import export as exporting
from vade_tf.config import TrainConfig
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.images import BUNDLED
from vade_tf.data.sources import load_dataset
from vade_tf.errors import InputError
from vade_tf.model import VaDE
from vade_tf.run import Run
from vade_tf.watch import Watch

# Few rows make short epochs: at least as many updates as this (four times as many wear out the code of Reuters R8), ...
PRETRAIN_UPDATES = 1500
PRETRAIN_EPOCHS = 30
UPDATES = 250  # ... and in the phase after it as this, times the epochs the system takes on many rows


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    reporter=None,
    extra: Sequence[keras.callbacks.Callback] = (),
    export: bool = True,
) -> dict:
    """Train a VaDE, or the system `config.model` names, from random weights into a new run folder.

    Args:
        config: the settings; `TrainConfig.create(...)`.
        out: the run folder (see `run`), not there yet or empty.
        reporter: shows progress, see `phases.Silent`; default nothing.
        extra: further Keras callbacks, for both phases.
        export: whether to leave a SavedModel in export/1, ready to be served.

    Returns:
        What metrics.json holds: dataset, source, n, n_features, n_clusters, recipe, model, seed, acc, nmi, ari (None
        without labels), elbo, distortion, rate_z, rate_c (nats a row, over all rows; None without a bound), health
        (what is wrong with the result, a sentence each), remedies (what was done during training, a sentence each),
        epochs by phase as trained, seconds by phase, device, precision, jit, versions.

    Raises:
        InputError: data or settings that cannot be used, or a folder that cannot be written; nothing is written then.
        DivergedError: the loss became NaN or infinite, time and again.
    """
    dataset, clusters = load_dataset(config)
    config = settled(config, dataset)
    hints = _load_hints(config, len(dataset.x), clusters)
    config = _fill_lengths(config, len(dataset.x), clusters, hints)
    if config.pretrained is not None:
        if not baselines.SYSTEMS[config.model].pretrains:
            raise InputError(f"--pretrained: {config.model} does not start from an autoencoder; leave it out")
        phases.pretrained_by(config, dataset)  # say what is wrong with it before anything is written
        config = replace(config, pretrain_epochs=Run.open(config.pretrained).config.pretrain_epochs)
    run = Run.create(out, config, dataset.fingerprint)
    return _phases(run, dataset, hints, reporter or phases.Silent(), extra, export)


def resume(
    out: str | Path, *, reporter=None, extra: Sequence[keras.callbacks.Callback] = (), export: bool = True
) -> dict:
    """Continue an unfinished run; it ends with the weights, bit for bit, that it would have had without the pause.

    Args and Returns: as for `train`; the settings are those of the folder.

    Raises:
        InputError: no run there, a finished one, a damaged file, or data that are not those it began with.
    """
    run = Run.open(out)
    if run.finished:
        raise InputError(f"--resume: {out} holds a finished run; nothing is left to do")
    dataset, clusters = load_dataset(run.config)
    run.check_data(dataset.fingerprint, "--resume")
    hints = _load_hints(run.config, len(dataset.x), clusters)
    return _phases(run, dataset, hints, reporter or phases.Silent(), extra, export)


def settled(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """The settings that find this data set again: a run on the bundled digits stays with them, network or not."""
    return replace(config, data_dir=BUNDLED) if dataset.source == BUNDLED else config


def _phases(run: Run, dataset: Dataset, hints: np.ndarray | None, reporter, extra, export: bool) -> dict:
    """Pretraining, start and VaDE: whatever of them the run folder does not hold yet."""
    if dataset.notice:
        reporter.say(dataset.notice)
    precision, jit = device.resolve_precision(run.config.precision), device.resolve_jit(run.config.jit)
    model = build_model(run.config, dataset, precision)
    state = run.load_state()
    rows = [] if state is None else state.rows
    work = phases.Work(run, dataset, hints, model, jit, state, rows, reporter, extra)
    fitted = baselines.fit_function(run.config.model)(work)
    save_model(fitted, run.path / "model.keras")
    if export and isinstance(fitted, VaDE):
        shutil.rmtree(run.path / "export", ignore_errors=True)  # what a kill after the export left
        exporting.export(fitted, run.path / "export")
    result = summarise(work, fitted, precision)
    run.save_rows(rows)  # also where a system has no epochs
    run.finish(result)
    return result


def build_model(config: TrainConfig, dataset: Dataset, precision: str) -> VaDE:
    """The untrained model of a run, its weights a pure function of the seed."""
    n_features = dataset.x.shape[1]
    shape = {"n_features": n_features, "latent_dim": config.latent_dim, "precision": precision, "seed": config.seed}
    identity = np.all(dataset.scale == 1) and np.all(dataset.offset == 0)
    scaling = None if identity else keras.layers.Rescaling(_plain(dataset.scale), _plain(dataset.offset))
    return VaDE(
        networks.build_encoder(**shape),
        networks.build_decoder(**shape),
        config.clusters,
        dataset.likelihood,
        scaling=scaling,
        seed=config.seed,
    )


def save_model(model: keras.Model, path: Path) -> None:
    """Write a .keras file so that it is whole or not there."""
    temporary = path.with_name("unfinished-" + path.name)
    model.save(temporary)
    temporary.replace(path)


def summarise(work: phases.Work, model: keras.Model, precision: str) -> dict:
    """What metrics.json holds."""
    config, dataset = work.config, work.dataset
    bound = {}
    if hasattr(model, "elbo_terms"):
        bound = model.evaluate(pipeline.ordered_batches(dataset.x), verbose=0, return_dict=True)
    seconds = {
        phase: sum(row["seconds"] for row in work.rows if row["phase"] == phase) for phase in ("pretrain", "fit")
    }
    seconds = {"pretrain": seconds["pretrain"], "init": work.seconds["init"], "fit": seconds["fit"]}
    seconds["total"] = sum(seconds.values())
    return {
        "dataset": dataset.name,
        "source": dataset.source,
        "n": len(dataset.x),
        "n_features": dataset.x.shape[1],
        "n_clusters": config.clusters,
        "model": config.model,
        "recipe": config.recipe,
        "seed": config.seed,
        **{"acc": None, "nmi": None, "ari": None, **phases.label_scores(model, dataset)},
        **{name: bound.get(name) for name in ("elbo", "distortion", "rate_z", "rate_c")},
        **{name: bound[name] for name in ("rate_w",) if name in bound},
        "health": _health(work, model),
        "remedies": health.remedies(work.rows),
        "epochs": {"pretrain": config.pretrain_epochs, "fit": sum(row["phase"] == "fit" for row in work.rows) or None},
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "device": device.describe(),
        "precision": precision,
        "jit": work.jit,
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name)
                for name in ("tensorflow", "tensorflow-probability", "keras", "numpy", "scikit-learn")
            },
        },
    }


def _health(work: phases.Work, model: keras.Model) -> list[str]:
    """What is wrong with a trained VaDE, a sentence each; nothing is known of other systems."""
    if not isinstance(model, VaDE):
        return []
    look = Watch(work.dataset.x, phases.filled(work.config.clusters), work.config.seed)
    return [finding.text for finding in health.findings(look.look(model))]


def _fill_lengths(config: TrainConfig, n: int, clusters: int, hints) -> TrainConfig:
    """The config with what follows from the data written out: K and the lengths of the phases."""
    system, steps = baselines.SYSTEMS[config.model], pipeline.steps_per_epoch(n, config.batch_size)
    config = replace(config, clusters=clusters)
    pretrain_epochs = config.pretrain_epochs
    if pretrain_epochs is None:
        pretrain_epochs = max(PRETRAIN_EPOCHS, math.ceil(PRETRAIN_UPDATES / steps))
    epochs = config.epochs or max(system.epochs, math.ceil(UPDATES * system.epochs / steps))
    if config.model != "vade":
        return replace(
            config,
            pretrain_epochs=pretrain_epochs if system.pretrains else None,
            epochs=epochs if system.epochs else None,
        )
    guide_epochs = config.guide_epochs
    if guide_epochs is None:
        guide_epochs = epochs if hints is not None else round(0.9 * epochs)
    return replace(
        config,
        pretrain_epochs=pretrain_epochs,
        epochs=epochs,
        guide_epochs=guide_epochs,
    )


def _load_hints(config: TrainConfig, n: int, clusters: int) -> np.ndarray | None:
    if config.hints is None:
        return None
    try:
        hints = np.load(config.hints, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"--hints: {config.hints} cannot be read as .npy ({error})") from error
    expected = f"--hints: expected {n} whole numbers from -1 (unknown) to {clusters - 1}, got"
    if hints.shape != (n,) or not np.issubdtype(hints.dtype, np.integer):
        raise InputError(f"{expected} {hints.dtype} of shape {hints.shape}")
    if hints.min() < -1 or hints.max() >= clusters:
        raise InputError(f"{expected} numbers from {hints.min()} to {hints.max()}")
    return hints.astype(np.int32)


def _plain(value):
    """A number or array as what Keras can write into a config."""
    return value.tolist() if isinstance(value, np.ndarray) else value
