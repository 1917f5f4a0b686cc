"""A run's configuration with all that follows from its rows written out; and the autoencoder that another run lends it.

What cannot be used is said here, before a folder is made. Writes nothing.
"""

import json
import reprlib
from dataclasses import replace

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.errors import InputError
from vade_tf.model import choice, convolutional, networks
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.rows import RunRows
from vade_tf.systems import SYSTEMS, registry
from vade_tf.training import build, device, given
from vade_tf.training.settings import AUTO, RECIPES
from vade_tf.training.store import Pretrained, listed

OLDER = "a run of an older version may have taken its columns otherwise: pretrain anew then"


def filled(config: TrainConfig, rows: RunRows) -> TrainConfig:
    """The configuration with all that follows from the rows written out; says what is wrong before a folder is made.

    Raises:
        InputError: the likelihood or other settings do not fit the rows and their hints, the run named by
            `config.pretrained` cannot lend its autoencoder, or the rows have a schema that no run could read again.
    """
    given.check_widths(config)
    likelihood = choice.choose(rows.dataset)
    if config.pretrained is not None:
        pretrained_by(config, rows.dataset)
        theirs = Run.open(config.pretrained, "pretrained").config
        if config.validation_rows not in (None, 0, theirs.validation_rows):
            raise InputError(
                f"validation_rows: expected 0 or none, they are the rows that {config.pretrained} has set aside, got "
                f"{config.validation_rows}; leave it out"
            )
        own = config.opening().resolve(*rows.dataset.x.shape, learns_variance=likelihood.learns_variance)
        for name in ("pretrain_epochs", "pretrain_passes", "patience"):
            mine, lent = getattr(config, name), getattr(theirs, name)
            lent = getattr(own, name) if lent is None else lent
            if mine not in (None, RECIPES[config.recipe].get(name), lent) and getattr(own, name) != lent:
                raise InputError(
                    f"{name}: expected none, the autoencoder of {config.pretrained} was trained with {lent}, got "
                    f"{mine}; leave it out"
                )
        config = replace(
            config,
            pretrain_epochs=theirs.pretrain_epochs,
            pretrain_passes=theirs.pretrain_passes or 1,
            patience=theirs.patience,
            validation_rows=theirs.validation_rows if config.validation_rows is None else config.validation_rows,
            hidden=theirs.hidden,
            network=theirs.network,
        )
    network = given.network(rows.dataset, likelihood, config)
    told = {"sharpens": given.sharpens(rows.dataset, likelihood), "learns_variance": likelihood.learns_variance}
    settings = config.opening().resolve(*rows.dataset.x.shape, convolves=network == "conv", **told)
    settings = replace(settings, network=network)
    build.check_room(rows.dataset.x.shape[1], settings, rows.dataset.image_shape)
    given.check(rows.dataset, likelihood, settings, rows.hints)
    registry.check(config.model, rows.dataset, settings)
    return replace(
        config,
        hidden=None if settings.network == "conv" else settings.hidden,
        network=settings.network,
        precision=device.pinned(settings.precision),
        pretrain_epochs=settings.pretrain_epochs,
        patience=settings.patience,
        epochs=settings.epochs or None,
        guide_epochs=settings.guide_epochs,
        regroups=settings.regroups,
        self_train_epochs=settings.self_train_epochs,
        batch_size=settings.batch_size,
        pretrain_passes=settings.pretrain_passes,
        passes=settings.passes,
    )


def pretrained_by(config: TrainConfig, dataset: Dataset) -> dict[str, np.ndarray]:
    """The autoencoder of the run `config.pretrained`, as it was after its pretraining.

    Raises:
        InputError: no such run, not pretrained yet, on other data, or of other networks.
    """
    assert config.pretrained is not None
    run = Run.open(config.pretrained, "pretrained")
    before, data = run.data, dataset.fingerprint
    todo = "name a run on these rows"
    if data["features"] != before["features"]:
        todo = "give the same labels, columns and drop"
    elif data["source"] == before["source"] and _drawn(config) != _drawn(run.config):
        drawn = f"held_out={config.held_out}, limit={config.limit} and seed={config.seed}"
        todo = f"name a run that was trained with {drawn}, as here"
    elif data["source"] == before["source"]:
        todo = f"restore that file, or give the same labels, columns and drop; {OLDER}"
    run.check_data(data, "pretrained", todo)
    kept = run.load("pretrained")
    if run.config.model != "vade" and not SYSTEMS[run.config.model].pretrains:
        raise InputError(
            f"pretrained: {run.path} is of {run.config.model}, which trains no autoencoder; name another run"
        )
    if kept is None:
        raise InputError(f"pretrained: {run.path} has not finished its pretraining")
    for name in ("latent_dim", "hidden", "network"):
        theirs, mine = getattr(run.config, name), getattr(config, name)
        of_none = name == "hidden" and run.config.network == "conv" and mine == RECIPES[config.recipe].get("hidden")
        if mine not in (None, AUTO) and theirs != mine and not of_none:
            shown = ",".join(map(str, theirs)) if isinstance(theirs, tuple) else theirs
            raise InputError(f"pretrained: the networks of {run.path} differ: expected {mine}; use {name}={shown}")
    if run.config.network == "conv" and dataset.image_shape is None:
        raise InputError(
            f"pretrained: the autoencoder of {run.path} reads images, got rows of {dataset.x.shape[1]} features; give "
            "it images of the same form"
        )
    weights, widths = listed(kept), run.config.hidden or ()
    forms = [(weight.shape, weight.dtype.name) for weight in weights]
    likelihood = choice.choose(dataset)
    told = Pretrained.load(run, len(dataset.x))
    if told is not None and told.likelihood != (mine := json.loads(json.dumps(likelihood.config()))):
        raise InputError(
            f"pretrained: the autoencoder of {run.path} was trained for another likelihood: expected "
            f"{reprlib.repr(mine)}, got {reprlib.repr(told.likelihood)}; use the same likelihood; {OLDER}"
        )
    first, outputs = build.filled(dataset.observations(), likelihood), likelihood.outputs
    flags = 0 if first is None else len(first.flagged)
    expected = networks.shapes(dataset.x.shape[1], run.config.latent_dim, widths, flags, outputs)
    if run.config.network == "conv":
        assert dataset.image_shape is not None
        expected = convolutional.shapes(dataset.image_shape, run.config.latent_dim)
    if dataset.origins is not None:
        expected = [*expected, (int(dataset.origins.max()) + 1, outputs * dataset.x.shape[1])]
    if forms != [(shape, "float32") for shape in expected] or not all(np.isfinite(weight).all() for weight in weights):
        raise InputError(f"pretrained: {run.place('pretrained')} is damaged; name another run")
    return kept


def _drawn(config: TrainConfig) -> tuple:
    """What decides which rows of a file are trained on; () where all are, whatever the seed."""
    some = config.held_out > 0 or config.limit is not None
    return (config.held_out, config.limit, config.seed) if some else ()
