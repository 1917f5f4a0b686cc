"""What a fit is given, checked: its rows and hints; and the untrained model that follows from rows and settings."""

import math
import reprlib

import keras
import numpy as np
import tensorflow as tf
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.greys import asked
from vade_tf.data.observing import observe
from vade_tf.errors import InputError, cited
from vade_tf.machine import memory
from vade_tf.model import convolutional, networks, own_networks
from vade_tf.model.counts import Counts, LogCounts, log_counts
from vade_tf.model.inputs import known_groups
from vade_tf.model.likelihood import Gaussian, Likelihood
from vade_tf.model.observation import check_keras
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training import cluster, distribute
from vade_tf.training.settings import AUTO, MANY_ROWS, NARROW, OWN_FEATURES, RECIPES, Resolved, Settings

A_WEIGHT = 48  # bytes: itself, a gradient, Adam's two moments, and copies to go back to and to write; measured 45 to 65
SHARPENED_SIDE = 32  # pixels; the classifier's first layer has 1,200 weights for each number
READ_ROWS = 1000  # on which the first layers of an encoder are looked at
STREAM = 10  # of the seed: of these
REPEATED = 0.75  # share of the variance in ten directions, from which on columns repeat one another: spectra, curves
CONVOLVED_SIDES = range(12, 33)  # pixels: smaller images are fitted faster by dense networks, larger ones take long


def as_observations(x, likelihood: str) -> Observations:
    """Rows of any of the kinds that `recipe.fit` takes, checked.

    Raises:
        InputError: they are no matrix of finite numbers, or the likelihood does not fit them.
    """
    if isinstance(x, tf.data.Dataset):
        x = read_data_set(x)
    if not isinstance(x, Observations):
        return observe(x, likelihood)
    return x if likelihood == AUTO else asked(x, likelihood)


def read_data_set(batches: tf.data.Dataset) -> np.ndarray:
    """All rows of a finite data set of rows [D], or of batches of them, which its element's first axis tells."""
    spec = batches.element_spec
    if not isinstance(spec, tf.TensorSpec):
        raise InputError("x: expected a tf.data.Dataset of rows alone, got one of several parts; map the others away")
    if int(batches.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise InputError("x: expected a finite tf.data.Dataset, got an endless one; leave out repeat()")
    if spec.shape.rank is None or None in spec.shape[1:]:  # an image of any height looks like a batch of rows
        raise InputError(
            f"x: expected a tf.data.Dataset of rows of one known shape, or of batches of them, got elements of shape "
            f"{spec.shape}; say it with tf.ensure_shape"
        )
    batched = spec.shape.rank > 1 and spec.shape[0] is None
    try:
        parts = list((batches if batched else batches.batch(1024)).as_numpy_iterator())
    except tf.errors.OpError as error:
        raise InputError(f"x: the tf.data.Dataset fails ({cited(error)})") from error
    if not parts:
        raise InputError("x: expected at least one row, got an empty tf.data.Dataset")
    return np.concatenate(parts)


def sharpens(data: Observations, likelihood: Likelihood) -> bool:
    """Whether rows are images whose groups a classifier sharpens by default: small grey ones, that are no counts."""
    shape = data.image_shape
    if shape is None or shape[2:] not in ((), (1,)) or max(shape[:2]) > SHARPENED_SIDE:
        return False
    return not isinstance(likelihood, Counts)


def many_columns(data: Observations) -> bool:
    """Whether rows have more columns than distances tell apart, or are of one length, and are no images."""
    return data.image_shape is None and (data.x.shape[1] > OWN_FEATURES or data.of_one_length)


def hides(data: Observations, likelihood: Likelihood) -> bool:
    """Whether the encoder reads rows with hidden columns by default: few rows of many, that are no texts, no counts.

    And whose columns do not repeat one another: of such rows networks know no more by heart than there is in them.
    """
    many = many_columns(data) and data.x.shape[1] >= NARROW and len(data.x) < MANY_ROWS
    return many and not data.texts and likelihood.compares_columns and _in_ten_directions(data) <= REPEATED


def _in_ten_directions(data: Observations) -> float:
    """Share of the variance of some rows, each column of variance 1, that lies in ten directions."""
    some = np.asarray(data.x[subset(len(data.x), pipeline.together(data.x, READ_ROWS), 0, STREAM)], np.float64)
    mean, std = data.moments()
    scaled = np.nan_to_num((some - mean) / np.where(std > 0, std, 1.0), posinf=0.0, neginf=0.0)
    scaled -= scaled.mean(axis=0)
    found = randomized_svd(scaled, min(10, *scaled.shape), random_state=0)[1]
    return float((found**2).sum() / max((scaled**2).sum(), 1e-30))


def check_widths(settings: Settings, own: bool = False) -> None:
    """Raises InputError where widths of dense layers are asked for beside convolutions, or networks of the caller's."""
    if settings.hidden in (None, RECIPES[settings.recipe].get("hidden")):
        return
    if settings.network == "conv" or own:
        beside = "encoder and decoder" if own else "network='conv'"
        raise InputError(f"hidden: goes with dense networks, got {settings.hidden} beside {beside}; give one of them")


def check(data: Observations, likelihood: Likelihood, settings: Resolved, hints: np.ndarray | None) -> None:
    """Raises InputError where rows, settings and known groups cannot be used together.

    Args:
        data, likelihood: the rows, and theirs.
        settings: resolved for them.
        hints: known group of each row, as `checked_hints` returns them, or None.
    """
    check_self_training(data, settings, likelihood)
    if hints is not None and (hints >= 0).any() and settings.guide_weight == 0:
        raise InputError(
            "guide_weight: expected a weight above 0 for hints, got 0, with which they change nothing; leave it open"
        )
    if settings.decay > 1:  # here, for a run that was made with it can still be read
        raise InputError(f"decay: expected a number above 0 and at most 1, got {settings.decay}")
    if settings.augment == "photos" and data.image_shape is None:
        raise InputError(
            f"augment: expected images for 'photos', got rows of {data.x.shape[1]} features; say image_shape, or use "
            "augment='none'"
        )
    if settings.augment == "columns" and isinstance(likelihood, Counts):
        raise InputError("augment: expected rows that are no counts for 'columns', got counts; leave it out")
    if settings.augment == "columns" and data.image_shape is not None:
        raise InputError(
            "augment: expected rows that are no images for 'columns', got images; use 'digits' or 'photos'"
        )
    if data.origins is not None and not isinstance(likelihood, Counts):
        raise InputError(
            f"batch: goes with counts, got rows that are taken as {likelihood.name}; name the layer that has counts "
            "with layer, say likelihood='counts' if these are counts, or leave batch out"
        )
    if settings.init == "gmm" and len(data.x) < 2:
        raise InputError("x: expected at least 2 rows, to which init='gmm' fits a Gaussian mixture, got 1")
    strategy = cluster.strategy(settings.distribute)
    if strategy is not None:
        distribute.check(strategy, settings.batch_size)


def check_self_training(data: Observations, settings: Resolved, likelihood: Likelihood) -> None:
    """Raises an InputError where `settings.self_train_epochs` are asked for that the fit cannot have."""
    name, asked = "self_train_epochs", settings.self_train_epochs
    if not asked:
        return
    if data.image_shape is None or settings.augment == "none":
        raise InputError(f"{name}: expected 0, it needs images and their augmentation, got {asked}; leave it out")
    if isinstance(likelihood, Counts):
        raise InputError(f"{name}: expected 0, the groups of counts are not recomputed, got {asked}; leave it out")
    if settings.regroups == 0:
        raise InputError(f"{name}: expected regroups of at least 1, whose last groups it moves, got 0; leave it out")
    if (guided := min(settings.guide_epochs, settings.epochs)) < 2:
        raise InputError(
            f"{name}: expected at least 2 guide_epochs, between which it moves the groups, got {guided}; "
            "take more epochs, or leave it out"
        )
    if settings.distribute != "none":
        raise InputError(f"{name}: expected 0, its classifier is trained on one device, got {asked}; leave it out")


def checked_hints(hints, n: int, clusters: int) -> np.ndarray:
    """Hints as int32 [n].

    Raises:
        InputError: no whole numbers from -1 to K - 1, one for each row.
    """
    found = known_groups(hints, clusters)
    if len(found) != n:
        raise InputError(f"hints: expected {n:,} whole numbers, the group of each row, got {len(found):,}")
    return found.astype(np.int32)


def build_model(data: Observations, likelihood: Likelihood, settings: Resolved, precision: str, own=None) -> VaDE:
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
        some = subset(len(data.x), pipeline.together(data.x, READ_ROWS), settings.seed, STREAM)
        own_networks.check_reading(model, data.x[some])
    return model


def build_encoder(
    data: Observations, settings: Resolved, likelihood: Likelihood, precision: str, latent_dim: int
) -> keras.Model:
    """The untrained encoder of a fit, of the kind that `settings.network` says, with a code of this width."""
    more: dict = {"latent_dim": latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return convolutional.build_encoder(data.image_shape, **more)
    first = negative(data, likelihood)
    first = first_layer(data, likelihood) if first is None else first
    return networks.build_encoder(data.x.shape[1], hidden=settings.hidden, first=first, **more)


def build_decoder(data: Observations, settings: Resolved, likelihood: Likelihood, precision: str) -> keras.Model:
    """The untrained decoder that goes with `build_encoder`."""
    more: dict = {"latent_dim": settings.latent_dim, "precision": precision, "seed": settings.seed}
    if settings.network == "conv" and data.image_shape is not None:
        return convolutional.build_decoder(data.image_shape, **more)
    return networks.build_decoder(data.x.shape[1], hidden=settings.hidden, outputs=likelihood.outputs, **more)


def network(data: Observations, likelihood: Likelihood, settings: Settings) -> str:
    """The networks that these rows get, "dense" or "conv".

    Raises:
        InputError: convolutions are asked for, and the rows are no images, or counts.
    """
    shape = data.image_shape
    widths = settings.hidden is not None and not isinstance(settings, Resolved)  # which dense networks alone have
    if settings.network == "dense" or (settings.network == "auto" and (shape is None or widths)):
        return "dense"
    if shape is None:
        raise InputError(
            "network: conv expects images, [n, height, width] or with a last axis of 3 channels, or a folder of them, "
            f"got rows of {data.x.shape[1]:,} features; use network='dense', or say by image_shape that your "
            "own rows are images"
        )
    counted = isinstance(likelihood, Counts)
    if settings.network == "auto":
        sized = all(side in CONVOLVED_SIDES for side in shape[:2])
        return "conv" if len(data.x) < MANY_ROWS and sized and not counted else "dense"
    if counted:
        raise InputError("network: conv expects images, got counts; use network='dense' or likelihood='gaussian'")
    return "conv"


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


def check_room(n_features: int, settings: Resolved, image_shape: tuple[int, ...] | None) -> None:
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
