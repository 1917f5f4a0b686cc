"""A run's configuration with all that follows from its rows written out; and the autoencoder that another run lends it.

What cannot be used is refused here, before a folder is made. Writes nothing.
"""

import json
from dataclasses import replace

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.errors import InputError
from vade_tf.model import choice
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.rows import RunRows
from vade_tf.systems import registry
from vade_tf.training import arguments, device
from vade_tf.training.settings import AUTO, RECIPES
from vade_tf.training.store import Pretrained

LENT = ("pretrain_epochs", "hidden", "network")  # settings of the autoencoder


def filled(config: TrainConfig, rows: RunRows) -> TrainConfig:
    """The configuration with all that follows from the rows written out.

    Raises:
        InputError: the likelihood or other settings do not fit the rows and their hints, or the run named by
            `config.pretrained` cannot lend its autoencoder.
    """
    likelihood = choice.choose(rows.dataset)
    if config.pretrained is not None:
        pretrained_by(config, rows.dataset)
        theirs = Run.open(config.pretrained, "pretrained").config
        lent: dict = {name: getattr(theirs, name) for name in LENT}
        if config.validation_rows is None:
            lent["validation_rows"] = theirs.validation_rows
        config = replace(config, **lent)
    network = arguments.choose_network(rows.dataset, likelihood, config)
    about = {"sharpens": arguments.sharpens(rows.dataset, likelihood), "learns_variance": likelihood.learns_variance}
    settings = config.opening().resolve(*rows.dataset.x.shape, convolves=network == "conv", **about)
    settings = replace(settings, network=network)
    arguments.validate_together(rows.dataset, likelihood, settings, rows.hints)
    registry.check(config.model, rows.dataset, settings)
    return replace(
        config,
        hidden=None if settings.network == "conv" else settings.hidden,
        network=settings.network,
        precision=device.pinned(settings.precision),
        guide_epochs=settings.guide_epochs,
        regroups=settings.regroups,
        self_train_epochs=settings.self_train_epochs,
        batch_size=settings.batch_size,
    )


def pretrained_by(config: TrainConfig, dataset: Dataset) -> dict[str, np.ndarray]:
    """The autoencoder of the run `config.pretrained`, as it was after its pretraining.

    Raises:
        InputError: no such run, not pretrained yet, on other data, of other networks, or for another likelihood.
    """
    assert config.pretrained is not None
    run = Run.open(config.pretrained, "pretrained")
    hint = "give the same rows, columns and labels, and the same seed where limit draws rows"
    run.check_data({**run.data, **dataset.fingerprint}, "pretrained", hint)
    kept = run.load("pretrained")
    if kept is None:
        raise InputError("pretrained", "a run that has pretrained an autoencoder", str(run.path))
    for name in ("latent_dim", "hidden", "network"):
        theirs, mine = getattr(run.config, name), getattr(config, name)
        if mine not in (None, AUTO, theirs, RECIPES[config.recipe].get(name)):
            raise InputError(name, f"{theirs}, which the autoencoder of {run.path} has", str(mine), "leave it out")
    lent = Pretrained.load(run)
    mine = json.loads(json.dumps(choice.choose(dataset).config()))
    if lent is not None and lent.likelihood != mine:
        raise InputError("likelihood", f"{lent.likelihood}, for which {run.path} was pretrained", str(mine))
    return kept
