"""What a fit is given, checked: rows, callbacks, hints, weights, networks; and the untrained model that it asks for."""

import reprlib
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.observations import observe, with_likelihood
from vade_tf.errors import InputError
from vade_tf.model import networks, own_networks
from vade_tf.model.counts import Counts, LogCounts, log_counts
from vade_tf.model.likelihood import Gaussian, Likelihood
from vade_tf.model.observation import check_keras
from vade_tf.model.prior import known_groups
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training import device, distribute, sharpening
from vade_tf.training.settings import AUTO, MANY_ROWS, Resolved, Settings

IMAGE_SIDES = range(12, 33)  # pixels that convolutions are worth; smaller images are faster dense, larger ones slow


def as_observations(x, likelihood: str) -> Observations:
    """Rows of any of the kinds that `recipe.fit` takes; an InputError where they or the likelihood cannot be used."""
    if isinstance(x, tf.data.Dataset):
        x = _all_rows(x)
    if not isinstance(x, Observations):
        return observe(x, likelihood)
    return x if likelihood == AUTO else with_likelihood(x, likelihood)


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


def sharpens(data: Observations, likelihood: Likelihood) -> bool:
    """Whether rows are images whose groups a classifier sharpens by default (`sharpening`)."""
    return sharpening.suits(None if isinstance(likelihood, Counts) else data.image_shape)


def choose_network(data: Observations, likelihood: Likelihood, settings: Settings) -> str:
    """The networks of these rows, "dense" or "conv"; an InputError where "conv" is asked for and cannot read them."""
    shape = None if isinstance(likelihood, Counts) else data.image_shape
    if settings.network == AUTO:
        widths = settings.hidden is not None and not isinstance(settings, Resolved)  # which dense networks alone have
        if shape is None or widths or len(data.x) >= MANY_ROWS:
            return "dense"
        return "conv" if all(side in IMAGE_SIDES for side in shape[:2]) else "dense"
    if settings.network == "conv" and shape is None:
        found = f"rows of {data.x.shape[1]:,} features taken as {likelihood.name}"
        raise InputError("network", "images for 'conv'", found, "set network to dense, or image_shape for own rows")
    return settings.network


def validate_together(data: Observations, likelihood: Likelihood, settings: Resolved, hints: np.ndarray | None) -> None:
    """Raises InputError where rows, settings and hints, as `validate_hints` returns them, do not go together."""
    counts = isinstance(likelihood, Counts)
    sharpening.check(settings, images=data.image_shape is not None and not counts)
    if hints is not None and (hints >= 0).any() and settings.guide_weight == 0:
        raise InputError("guide_weight", "a weight above 0 for hints", "0")
    if data.batch_index is not None and not counts:
        hint = "set layer to that of the counts, or likelihood to counts"
        raise InputError("batch", "counts", f"rows that are taken as {likelihood.name}", hint)
    distribute.check_batch_size(device.strategy(settings.distribute), settings.batch_size)


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
    n_batches = 0 if data.batch_index is None else int(data.batch_index.max()) + 1
    more: dict = {"scaling": scaling, "n_batches": n_batches, "seed": settings.seed}
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
