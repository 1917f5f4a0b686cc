"""A run: rows, then a fit whose store is the run folder, then what the folder is to hold; can be resumed."""

import importlib.metadata
import json
import platform
import shutil
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf import metrics
from vade_tf.contrast import compared
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import FileRows, Rows
from vade_tf.data.schema import Schema
from vade_tf.errors import ClusterError, InputError
from vade_tf.model.vade import VaDE
from vade_tf.runs import assignments
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import BOUND, SCORES, Run
from vade_tf.runs.location import check_unfinished, check_unused, held
from vade_tf.runs.rows import RunRows, filled, given_start, load_rows, load_whole, pretrained_by
from vade_tf.serving import export as exporting
from vade_tf.storage import whole_path
from vade_tf.systems import registry
from vade_tf.training import build, device, distribute, partitions, recipe
from vade_tf.training.autoencoder import AUTOENCODER
from vade_tf.training.fitting import Fitted
from vade_tf.training.loop import PLAIN_VAE
from vade_tf.training.posterior import model_groups, outlier_limits
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import AUTO
from vade_tf.training.store import Pretrained, epochs_done

LIBRARIES = ("tensorflow", "tensorflow-probability", "keras", "numpy", "scikit-learn")  # whose versions are kept


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    whole: Dataset | None = None,
    reporter: Silent | None = None,
    extra: Sequence[keras.callbacks.Callback] = (),
    export: bool = True,
) -> dict:
    """Train a VaDE, or the system `config.model` names, from random weights into a new run folder.

    Args:
        config: the settings; `TrainConfig(...)`.
        out: the run folder (see `folder`), not there yet or empty.
        whole: what `load_whole(config)` returned, where it was called already; default: it is called here.
        reporter: shows progress, see `training.reporter.Silent`; default nothing.
        extra: further Keras callbacks, for both phases; they run on every worker.
        export: whether to leave a SavedModel in export/1, ready to be served.

    Returns:
        What metrics.json holds. What was trained: dataset, source, n, n_features, n_clusters, model, recipe,
        likelihood, seed, kind (what the rows were taken for), start (in words), choice (the fields of
        `training.n_clusters.Choice`, where the number of clusters was chosen), columns (of a table: those used, and
        why others are left out).
        What came out: sizes (rows of each cluster, of outliers under "-1"); acc, nmi, ari (None without labels);
        elbo, distortion, rate_z, rate_c, and of GMVAE rate_w, the KL divergence of its second code (all nats a row;
        None without a bound); health (what is wrong with the result) and remedies (what was done during training),
        a sentence each.
        How: epochs and seconds by phase, device, precision, jit, versions.
        Nothing on a worker that is not the chief, which writes nothing, either.

    Raises:
        InputError: data or settings that cannot be used, or a folder that cannot be written; nothing is written then.
        DivergedError: the loss became NaN or infinite, time and again.
    """
    build.validate_callbacks(extra)
    if not distribute.chief(strategy := device.strategy(config.distribute)):
        return follow(strategy, reporter or Silent(), extra)
    check_unused(out := Path(out))
    rows = load_rows(config, whole)
    config, init = filled(rows.config, rows), given_start(rows.config, len(rows.dataset.x))
    out.mkdir(parents=True, exist_ok=True)
    with held(out, "out"):
        run = Run.create(out, config, identity(rows), rows.dataset.schema)
        return _fit(run, rows, init, reporter or Silent(), extra, export)


def resume(
    out: str | Path,
    *,
    whole: Dataset | None = None,
    reporter: Silent | None = None,
    extra: Sequence[keras.callbacks.Callback] = (),
    export: bool = True,
) -> dict:
    """Continue an unfinished run; it ends with the weights that it would have had without the pause.

    Bit for bit on the same machine, with as many threads and without a GPU, whose sums come in any order.

    Args and Returns: as for `train`; the settings are those of the folder.

    Raises:
        InputError: no run there, a finished one, a damaged file, or data or hints that are not those it began with.
    """
    build.validate_callbacks(extra)
    check_unfinished(out := Path(out))  # on every worker, and before it waits for others, which have ended
    run = Run.open(out, "resume")
    strategy = device.strategy(run.config.distribute)
    if not distribute.chief(strategy):
        return follow(strategy, reporter or Silent(), extra)
    with held(out, "resume"):
        in_file = run.data.get("in_file")
        rows = load_rows(run.config, load_whole(run.config, run, in_file) if whole is None else whole, in_file)
        run.check_data(identity(rows), "resume")
        begun = run.load("start")  # then its file is not needed any more
        kept = None if begun is None or run.config.init_file is None else begun.get("P")
        init = given_start(run.config, len(rows.dataset.x)) if kept is None else kept
        return _fit(run, rows, init, reporter or Silent(), extra, export)


def identity(rows: RunRows) -> dict:
    """What data.json holds: what the rows and the hints of a run were, with checksums, and where they lay."""
    shape = rows.dataset.image_shape
    facts = {
        **rows.dataset.fingerprint,
        "in_file": isinstance(rows.dataset.x, FileRows),
        "image_shape": None if shape is None else list(shape),
        "kind": rows.dataset.kind,
    }
    return facts if rows.hints is None else {**facts, "hints": zlib.crc32(np.ascontiguousarray(rows.hints).data)}


def follow(strategy: tf.distribute.Strategy, reporter: Silent, extra: Sequence[keras.callbacks.Callback]) -> dict:
    """Train as a worker that is not the chief: with the chief's settings, on the same rows, and write nothing.

    Raises:
        InputError: the rows here are not the chief's, or another worker cannot use what it was given.
        ClusterError: another worker has stopped.
    """
    told = distribute.from_chief(strategy, dict)
    assert told is not None
    config = TrainConfig.of(json.loads(str(told["config"])))
    expected = json.loads(str(told["data"]))
    rows = load_rows(config, in_file=expected["in_file"])
    mine = identity(rows)
    if {**mine, "source": ""} != {**expected, "source": ""}:
        raise InputError("data", f"the rows of the chief ({expected})", str(mine))
    reporter.say(f"one of {distribute.workers(strategy)} workers; the chief tells of the training and writes the run")
    recipe.fit(rows.dataset.observations(), config, rows.hints, callbacks=extra)
    distribute.from_chief(strategy, dict)  # until the chief has written everything: who leaves early stops the others
    return {}


def _fit(run: Run, rows: RunRows, init: np.ndarray | None, reporter: Silent, extra, export: bool) -> dict:
    """Pretraining, start and VaDE, whatever of them the run folder does not hold yet; then the folder's files."""
    config, dataset = run.config, rows.dataset
    if dataset.notice:
        reporter.say(dataset.notice)
    if dataset.ids is not None and (repeated := len(dataset.ids) - len(np.unique(dataset.ids))):
        reporter.say(f"id: {repeated:,} rows have the id of an earlier row")
    strategy = device.strategy(config.distribute)
    if config.pretrained is not None and run.load("pretrained") is None:
        pretrained_by(config, dataset).save(run)
    if run.load("clusters") is not None:  # it was chosen, and config.json may have it already
        config = replace(config, clusters=AUTO)
    told = {"config": config.to_json(), "data": json.dumps(identity(rows))}
    distribute.from_chief(strategy, lambda: {name: np.array(text) for name, text in told.items()})
    shown: list[keras.callbacks.Callback] = [] if dataset.y is None else [Scores(dataset)]
    shown += extra
    if config.model == "vade":
        fitted = recipe.fit(dataset.observations(), config, rows.hints, run, reporter, callbacks=shown, init=init)
    else:
        fitted = registry.fit(config.model, dataset.observations(), config, run, reporter, shown)
    run.choose(fitted.settings.clusters)
    with whole_path(run.path / "model.keras") as file:
        fitted.model.save(file)
    if export and isinstance(fitted.model, VaDE):
        shutil.rmtree(run.path / "export", ignore_errors=True)  # what a kill after the export left
        exporting.export(fitted.model, run.path / "export", schema=dataset.schema)
    found = scored(fitted.model, rows, run.path / "assignments.csv", reporter)
    begun = Pretrained.load(run)
    pretrained = fitted.settings.pretrain_epochs if begun is None else begun.epochs
    result = summarise(run.config, dataset, fitted, found, pretrained)
    run.save_rows(fitted.history)  # also where a system has no epochs
    run.finish(result)
    with suppress(ClusterError):  # a worker that is lost now has nothing more to give
        distribute.from_chief(strategy, dict)
    return result


class Scores(keras.callbacks.Callback):
    """ACC, NMI and ARI after an epoch, into `logs`, from where they go into the history; used for nothing.

    Args:
        dataset: rows with labels; of many some, drawn, are scored. Of many short epochs only those are whose state
            `callbacks.Record` keeps.
    """

    def __init__(self, dataset: Dataset):
        super().__init__()
        rows = partitions.rows_read(len(dataset.x), seed=0)
        some = dataset if rows is None else dataset.part(rows)
        assert some.y is not None
        self.x, self.y = some.x, some.y

    def on_epoch_end(self, epoch, logs=None):
        due = (epoch + 1) % self.params["kept_every"] == 0 or epoch + 1 == self.params["epochs"]
        if due and self.model.name not in (AUTOENCODER, PLAIN_VAE) and np.isfinite(logs["loss"]):
            logs.update(metrics.scores(self.y, model_groups(self.model, self.x)))


def scored(model: keras.Model, rows: RunRows, path: Path, reporter: Silent) -> dict[str, Any]:
    """Write what a fitted model says of each row, under its id or its place among all that were loaded.

    Returns:
        The sizes of the clusters; mean terms of the bound, of a model that has one; ACC, NMI, ARI, with labels.
    """
    x, ids, y, share = rows.dataset.x, rows.dataset.ids, rows.dataset.y, rows.config.outliers
    table = assignments.found(model, x, reporter.phase("predict", assignments.blocks(x)))
    clusters = table["cluster"].to_numpy()
    if share is not None:
        limits = outlier_limits(clusters, table["log_density"].to_numpy(), share, model.prior.n_components)
        table["cluster"] = np.where(table["log_density"] < limits[clusters], -1, clusters)
    if rows.dataset.texts is not None:
        apart = compared(model, rows.dataset, clusters, int(clusters.max()) + 1)
        table.insert(1, "name", [apart.name(c) for c in clusters])
    names = pandas.Index(rows.numbers, name="row") if ids is None else pandas.Series(ids, name=rows.config.id or "id")
    assignments.write(path, [assignments.beside(names, table)])
    sizes = table["cluster"].value_counts().sort_index()
    found: dict[str, Any] = {"sizes": {str(c): int(size) for c, size in sizes.items()}}
    if y is not None:
        found |= metrics.scores(y, clusters)
    if hasattr(model, "elbo_terms"):
        found |= means(model, x)
    return found


def means(model: keras.Model, x: Rows) -> dict[str, float]:
    """The metrics of a compiled model over all rows [n, D], by name."""
    with pipeline.reading(x):
        return model.evaluate(pipeline.ordered_batches(x), verbose=0, return_dict=True)


def summarise(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, found: dict[str, Any], pretrained: int | None
) -> dict:
    """What metrics.json holds, of what `scored` found and the epochs of the autoencoder that the run began with."""
    trained, schema = epochs_done(fitted.history, "fit") or None, dataset.schema
    return {
        "dataset": dataset.name,
        "source": dataset.source,
        "n": len(dataset.x),
        "n_features": dataset.x.shape[1],
        "n_clusters": config.clusters,
        "sizes": found["sizes"],
        "columns": schema.summary() if isinstance(schema, Schema) else None,
        "model": config.model,
        "recipe": config.recipe,
        "likelihood": fitted.model.likelihood.name,
        "seed": config.seed,
        **{name: found.get(name) for name in (*SCORES, *BOUND)},
        **{name: found[name] for name in ("rate_w",) if name in found},
        **({} if fitted.choice is None else {"choice": vars(fitted.choice)}),
        "kind": fitted.kind,
        "start": fitted.start,
        "health": fitted.health,
        "remedies": fitted.remedies,
        "epochs": {"pretrain": pretrained or None, "fit": trained},
        "seconds": {name: round(value, 1) for name, value in fitted.seconds.items()},
        "device": device.describe(),
        "precision": device.resolve_precision(config.precision, shared=config.distribute != "none"),
        "jit": config.distribute == "none" and device.resolve_jit(config.jit),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def version(name: str) -> str:
    """Of an installed package; "unknown" where a library came under another name, as tensorflow-cpu is one."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
