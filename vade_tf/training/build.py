"""The untrained model of a fit: networks, scaling and mixture, as rows, likelihood and architecture ask for them."""

import reprlib

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError
from vade_tf.model import networks, own_networks
from vade_tf.model.counts import Counts, LogCounts, log_counts
from vade_tf.model.likelihood import Gaussian, Likelihood
from vade_tf.model.observation import check_keras
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training.settings import Resolved


def build_model(data: Observations, likelihood: Likelihood, settings: Resolved, precision: str, own=None) -> VaDE:
    """The untrained model of a fit, its weights a pure function of the seed.

    Args:
        data, likelihood: its rows, and theirs.
        settings: `network` is "dense" or "conv".
        precision: of the hidden layers.
        own: the caller's networks instead; an InputError where they do not fit the rows.
    """
    check_keras()
    caller = own is not None
    if own is None:
        encoder = build_encoder(data, settings, likelihood, precision, settings.latent_dim)
        own = encoder, _decoder(data, settings, likelihood, precision)
    if not isinstance(own, (tuple, list)) or len(own) != 2:
        raise InputError("networks", "a pair (encoder, decoder)", reprlib.repr(own))
    scaling = networks.build_scaling(*likelihood.units(data))
    if data.length is not None and isinstance(likelihood, Gaussian):
        scaling = (networks.Roots if data.texts else networks.Directions)(data.length)
    encoder, decoder = own
    if likelihood.takes_missing and data.has_holes and not networks.fills(encoder):
        raise InputError("x", "no missing cells beside networks of your own", "some", "fill them first")
    origins = 0 if data.origins is None else int(data.origins.max()) + 1
    more: dict = {"scaling": scaling, "origins": origins, "seed": settings.seed}
    model = VaDE(encoder, decoder, settings.clusters, likelihood, **more)
    if caller:
        some = subset(len(data.x), pipeline.together(data.x, 1000), settings.seed, Stream.LOOKED_AT)
        own_networks.check_numbers(model, data.x[some])
    return model


def build_encoder(
    data: Observations, settings: Resolved, likelihood: Likelihood, precision: str, latent_dim: int
) -> keras.Model:
    """The untrained encoder of a fit, of the kind that `settings.network` says, with a code of this width."""
    more: dict = {"latent_dim": latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return networks.build_conv_encoder(data.image_shape, **more)
    # images on white are read as their negatives: where nearly all of what it reads is 1, it has found fewer groups
    negative = data.image_shape is not None and likelihood.name == "bernoulli" and data.on_white
    rescaling = keras.layers.Rescaling(-1.0, 1.0, name="negative", dtype="float32") if negative else None
    first = rescaling or first_layer(data, likelihood)
    return networks.build_encoder(data.x.shape[1], hidden=settings.hidden, first=first, **more)


def _decoder(data: Observations, settings: Resolved, likelihood: Likelihood, precision: str) -> keras.Model:
    """The untrained decoder that goes with `build_encoder`."""
    more: dict = {"latent_dim": settings.latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return networks.build_conv_decoder(data.image_shape, **more)
    return networks.build_decoder(data.x.shape[1], hidden=settings.hidden, outputs=likelihood.outputs, **more)


def first_layer(data: Observations, likelihood: Likelihood) -> keras.layers.Layer | None:
    """What counts, and rows that may miss cells, are read with; None of rows that are read as the likelihood does.

    A missing cell is read as the mean of the known ones, with a flag where training has some.
    """
    if isinstance(likelihood, Counts):
        total, squares = np.zeros((2, data.x.shape[1]))
        for rows in pipeline.blocks(data.x):
            logs = np.asarray(log_counts(rows.astype(np.float32), likelihood.size), np.float64)
            total, squares = total + logs.sum(axis=0), squares + (logs**2).sum(axis=0)
        mean = total / len(data.x)
        std = np.sqrt(np.maximum(squares / len(data.x) - mean**2, 0))
        return LogCounts(likelihood.size, mean, np.where(std < 1e-6, 1.0, std))
    if not likelihood.takes_missing:
        return None
    scale, offset = likelihood.units(data)
    mean = data.moments()[0] * scale + offset
    missing = [np.isnan(rows).any(axis=0) for rows in pipeline.blocks(data.x)]
    return networks.Filled(mean.tolist(), np.flatnonzero(np.any(missing, axis=0)).tolist())
