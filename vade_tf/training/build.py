"""The untrained model of a fit: networks, scaling and mixture, as rows, likelihood and architecture ask for them."""

import math
import reprlib
from typing import Protocol

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError
from vade_tf.machine import memory
from vade_tf.model import convolutional, networks, own_networks
from vade_tf.model.counts import Counts, LogCounts, log_counts
from vade_tf.model.likelihood import Gaussian, Likelihood
from vade_tf.model.observation import check_keras
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset

A_WEIGHT = 48  # bytes: itself, a gradient, Adam's two moments, and copies to go back to and to write; measured 45 to 65
READ_ROWS = 1000  # on which the first layers of an encoder are looked at


class Architecture(Protocol):
    """What the settings of a fit say of its model."""

    @property
    def clusters(self) -> int: ...
    @property
    def latent_dim(self) -> int: ...
    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def network(self) -> str: ...
    @property
    def seed(self) -> int: ...


def build_model(data: Observations, likelihood: Likelihood, settings: Architecture, precision: str, own=None) -> VaDE:
    """The untrained model of a fit, its weights a pure function of the seed.

    Args:
        data, likelihood: its rows, and theirs.
        settings: `network` is "dense" or "conv", as `network` says.
        precision: of the hidden layers.
        own: the caller's networks instead.
    """
    check_keras()
    n_features = data.x.shape[1]
    if own is None:
        check_room(n_features, settings, data.image_shape)
        own = (
            build_encoder(data, settings, likelihood, precision, settings.latent_dim),
            build_decoder(data, settings, likelihood, precision),
        )
    scaling = networks.build_scaling(*likelihood.units(data))
    if data.length is not None and isinstance(likelihood, Gaussian):
        scaling = (networks.Roots if data.texts else networks.Directions)(data.length)
    if not isinstance(own, (tuple, list)) or len(own) != 2:
        raise InputError(f"networks: expected a pair (encoder, decoder), got {reprlib.repr(own)}")
    encoder, decoder = own
    _check_width(encoder, n_features)
    _check_sides(encoder, data.image_shape)
    if likelihood.takes_missing and data.has_holes and not networks.fills(encoder):
        raise InputError(
            "encoder: expected rows without missing cells, of which networks of your own are not told, got some; fill "
            "them first, or leave encoder and decoder out"
        )
    origins = 0 if data.origins is None else int(data.origins.max()) + 1
    more: dict = {"scaling": scaling, "origins": origins, "seed": settings.seed}
    model = VaDE(encoder, decoder, settings.clusters, likelihood, **more)
    own_networks.check(encoder, decoder, likelihood)
    if likelihood.compares_columns and own_networks.scales(encoder):  # counts are read as they are
        some = subset(len(data.x), pipeline.together(data.x, READ_ROWS), settings.seed, Stream.LOOKED_AT)
        own_networks.check_reading(model, data.x[some])
    return model


def build_encoder(
    data: Observations, settings: Architecture, likelihood: Likelihood, precision: str, latent_dim: int
) -> keras.Model:
    """The untrained encoder of a fit, of the kind that `settings.network` says, with a code of this width."""
    more: dict = {"latent_dim": latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return convolutional.build_encoder(data.image_shape, **more)
    first = negative(data, likelihood)
    first = first_layer(data, likelihood) if first is None else first
    return networks.build_encoder(data.x.shape[1], hidden=settings.hidden, first=first, **more)


def build_decoder(data: Observations, settings: Architecture, likelihood: Likelihood, precision: str) -> keras.Model:
    """The untrained decoder that goes with `build_encoder`."""
    more: dict = {"latent_dim": settings.latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return convolutional.build_decoder(data.image_shape, **more)
    return networks.build_decoder(data.x.shape[1], hidden=settings.hidden, outputs=likelihood.outputs, **more)


def first_layer(data: Observations, likelihood: Likelihood) -> keras.layers.Layer | None:
    """What rows are read with that are no images, where they are not taken as the likelihood does."""
    if isinstance(likelihood, Counts):
        total, squares = np.zeros((2, data.x.shape[1]))
        for rows in pipeline.blocks(data.x):
            logs = np.asarray(log_counts(rows.astype(np.float32), likelihood.size), np.float64)
            total, squares = total + logs.sum(axis=0), squares + (logs**2).sum(axis=0)
        mean = total / len(data.x)
        std = np.sqrt(np.maximum(squares / len(data.x) - mean**2, 0))
        return LogCounts(likelihood.size, mean, np.where(std < 1e-6, 1.0, std))
    return filled(data, likelihood)


def negative(data: Observations, likelihood: Likelihood) -> keras.layers.Layer | None:
    """What a dense encoder reads images on white with: their negatives; of others None.

    It has found fewer of their groups where nearly all of what it reads is 1. Convolutions have not.
    """
    if data.image_shape is None or likelihood.name != "bernoulli" or not data.on_white:
        return None
    return keras.layers.Rescaling(-1.0, 1.0, name="negative", dtype="float32")


def filled(data: Observations, likelihood: Likelihood) -> networks.Filled | None:
    """What the encoder reads missing cells with: the mean of the known ones, and flags where training has some."""
    if not likelihood.takes_missing:
        return None
    scale, offset = likelihood.units(data)
    mean = data.moments()[0] * scale + offset
    missing = [np.isnan(rows).any(axis=0) for rows in pipeline.blocks(data.x)]
    return networks.Filled(mean.tolist(), np.flatnonzero(np.any(missing, axis=0)).tolist())


def _check_width(encoder: keras.Model, n_features: int) -> None:
    """Raises InputError where an encoder is one of rows of another width."""
    shape = getattr(encoder, "input_shape", None)
    if isinstance(shape, tuple) and None not in shape[1:] and math.prod(shape[1:]) != n_features:
        raise InputError(f"encoder: expected one of {n_features} values a row, as x has, got one of {shape[1:]}")


def _check_sides(encoder: keras.Model, image_shape: tuple[int, ...] | None) -> None:
    """Raises InputError where an encoder reads images whose sides stand in another order: it would read others."""
    shape = getattr(encoder, "input_shape", None)
    if image_shape is None or not isinstance(shape, tuple):
        return
    ours, theirs = ([side for side in form if side != 1] for form in (image_shape, shape[1:]))
    if None not in theirs and ours != theirs and sorted(ours) == sorted(theirs):
        raise InputError(f"encoder: expected one of images of {tuple(image_shape)}, as x has, got one of {shape[1:]}")


def check_room(n_features: int, settings: Architecture, image_shape: tuple[int, ...] | None) -> None:
    """Raises InputError where networks of such widths take all the memory: `A_WEIGHT` bytes each."""
    if settings.network == "conv" and image_shape is not None:
        weights = sum(math.prod(shape) for shape in convolutional.shapes(image_shape, settings.latent_dim))
    else:
        weights = sum(map(math.prod, networks.shapes(n_features, settings.latent_dim, settings.hidden)))
    weights += 3 * settings.clusters * settings.latent_dim
    if A_WEIGHT * weights > memory():
        raise InputError(
            f"hidden, latent_dim and clusters: expected a model that fits in {memory() / 2**30:,.1f} GiB, got one of "
            f"{weights:,} weights; narrow its layers, make images smaller, or give fewer columns"
        )
