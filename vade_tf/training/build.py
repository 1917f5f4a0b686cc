"""What a fit is given, checked: rows, callbacks, hints, weights, networks; and the untrained model that it asks for."""

import reprlib
from collections.abc import Iterable
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.observations import observe
from vade_tf.errors import InputError
from vade_tf.model import own_networks
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.networks import build_conv_decoder, build_conv_encoder, fills
from vade_tf.model.networks import build_decoder as build_dense_decoder
from vade_tf.model.networks import build_encoder as build_dense_encoder
from vade_tf.model.observation import check_keras
from vade_tf.model.prior import known_groups
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training import device, distribute, sharpening
from vade_tf.training.settings import AUTO, MANY_ROWS, Resolved, Settings

Networks: TypeAlias = tuple[keras.Model, keras.Model]  # encoder and decoder
IMAGE_SIDES = range(12, 33)  # pixels that convolutions are worth; smaller images are faster dense, larger ones slow


def as_observations(x, kind: str) -> Observations:
    """Rows of any type that `recipe.fit` takes; an InputError where they cannot be used."""
    if isinstance(x, tf.data.Dataset):
        x = _all_rows(x)
    return x if isinstance(x, Observations) else observe(x, kind)


def _all_rows(batches: tf.data.Dataset) -> np.ndarray:
    """All rows of a finite data set of rows [D], or of batches of them, whose first axis is open."""
    spec = batches.element_spec
    if int(batches.cardinality()) == tf.data.INFINITE_CARDINALITY or not isinstance(spec, tf.TensorSpec):
        raise InputError("x", "a finite tf.data.Dataset of rows, or of batches of them", str(batches))
    batched = spec.shape.rank > 1 and spec.shape[0] is None
    return np.concatenate(list((batches if batched else batches.batch(1024)).as_numpy_iterator()))


def validate_callbacks(callbacks) -> list[keras.callbacks.Callback]:
    """The caller's callbacks as a list; an InputError where they are none."""
    found = list(callbacks or ()) if callbacks is None or isinstance(callbacks, Iterable) else [callbacks]
    if not all(isinstance(each, keras.callbacks.Callback) for each in found):
        raise InputError("callbacks", "a list of keras.callbacks.Callback", reprlib.repr(callbacks))
    return found


def validate_hints(hints, n: int, clusters: int) -> np.ndarray:
    """Hints as int32 [n]; an InputError unless they are whole numbers from -1 to K - 1, one for each row."""
    found = known_groups(hints, clusters)
    if len(found) != n:
        raise InputError("hints", f"{n:,} whole numbers, the group of each row", f"{len(found):,}")
    return found.astype(np.int32)


def validate_weights(sample_weight, n: int) -> np.ndarray:
    """Weights of rows, scaled to a mean of 1, float32 [n]; an InputError where they are no weights, or all are 0."""
    found = np.asarray(sample_weight)
    if found.shape != (n,) or found.dtype.kind not in "biuf" or not (np.isfinite(found).all() and found.min() >= 0):
        expected = f"{n:,} finite numbers from 0 up, the weight of each row"
        raise InputError("sample_weight", expected, reprlib.repr(sample_weight))
    if not found.any():
        raise InputError("sample_weight", "a weight above 0", "zeros alone")
    return (found / found.mean(dtype=np.float64)).astype(np.float32)


def sharpens(data: Observations) -> bool:
    """Whether rows are images whose groups a classifier sharpens by default (`sharpening`)."""
    return sharpening.suits(data.image_shape if data.kind == "images" else None)


def choose_network(data: Observations, settings: Settings) -> str:
    """The networks of these rows, "dense" or "conv"; an InputError where "conv" is asked for and cannot read them."""
    shape = data.image_shape if data.kind == "images" else None
    if settings.network == "conv" and shape is None:
        got = f"rows of {data.x.shape[1]:,} features taken for {data.kind}"
        raise InputError("network", "images for 'conv'", got, "set network to dense, or say image_shape")
    if settings.network != AUTO:
        return settings.network
    sets_widths = settings.hidden is not None and not isinstance(settings, Resolved)  # which dense networks alone have
    if shape is None or sets_widths or len(data.x) >= MANY_ROWS:
        return "dense"
    return "conv" if all(side in IMAGE_SIDES for side in shape[:2]) else "dense"


def validate_together(data: Observations, likelihood: Likelihood, settings: Resolved, hints: np.ndarray | None) -> None:
    """Raises InputError where rows, settings and hints, as `validate_hints` returns them, do not go together."""
    sharpening.check(settings, images=data.kind == "images")
    if hints is not None and (hints >= 0).any() and settings.guide_weight == 0:
        raise InputError("guide_weight", "a weight above 0 for hints", "0")
    if data.batch_index is not None and not likelihood.reads_counts:
        hint = "set layer to that of the counts, or likelihood to counts"
        raise InputError("batch", "counts", f"rows that are taken as {likelihood.name}", hint)
    distribute.check_batch_size(device.strategy(settings.distribute), settings.batch_size)


def build_model(
    data: Observations, likelihood: Likelihood, settings: Resolved, precision: str, networks: Networks | None = None
) -> VaDE:
    """The untrained model of a fit, its weights a pure function of the seed.

    Args:
        data, likelihood: its rows, and theirs.
        settings: `network` is "dense" or "conv".
        precision: of the hidden layers.
        networks: the caller's own instead; an InputError where they do not fit the rows.
    """
    check_keras()
    if networks is None:
        encoder = build_encoder(data, settings, likelihood, precision, settings.latent_dim)
        decoder = _decoder(data, settings, likelihood, precision)
    elif isinstance(networks, (tuple, list)) and len(networks) == 2:
        encoder, decoder = networks
    else:
        raise InputError("networks", "a pair (encoder, decoder)", reprlib.repr(networks))
    if likelihood.takes_missing and data.has_holes and not fills(encoder):
        raise InputError("x", "no missing cells beside networks of your own", "some", "fill them first")
    n_batches = 0 if data.batch_index is None else int(data.batch_index.max()) + 1
    scaling = likelihood.scaling(data)
    model = VaDE(
        encoder, decoder, settings.clusters, likelihood, scaling=scaling, n_batches=n_batches, seed=settings.seed
    )
    if networks is not None:
        some = subset(len(data.x), pipeline.together(data.x, 1000), settings.seed, Stream.LOOKED_AT)
        own_networks.check_numbers(model, data.x[some])
    return model


def build_encoder(
    data: Observations, settings: Resolved, likelihood: Likelihood, precision: str, latent_dim: int
) -> keras.Model:
    """The untrained encoder of a fit, of the kind that `settings.network` says, with a code of this width."""
    common: dict = {"latent_dim": latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return build_conv_encoder(data.image_shape, **common)
    first = likelihood.first_layer(data)
    return build_dense_encoder(data.x.shape[1], hidden=settings.hidden, first=first, **common)


def _decoder(data: Observations, settings: Resolved, likelihood: Likelihood, precision: str) -> keras.Model:
    """The untrained decoder that goes with `build_encoder`."""
    common: dict = {"latent_dim": settings.latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return build_conv_decoder(data.image_shape, **common)
    return build_dense_decoder(data.x.shape[1], hidden=settings.hidden, outputs=likelihood.outputs, **common)
