"""What a fit is given, checked: its rows, settings and hints."""

import numpy as np
import tensorflow as tf

from vade_tf.data.dataset import Observations
from vade_tf.data.greys import asked
from vade_tf.data.observing import observe
from vade_tf.errors import InputError, cited
from vade_tf.model.counts import Counts
from vade_tf.model.inputs import known_groups
from vade_tf.model.likelihood import Likelihood
from vade_tf.training import cluster, distribute
from vade_tf.training.settings import AUTO, MANY_ROWS, RECIPES, Resolved, Settings

SHARPENED_SIDE = 32  # pixels; the classifier's first layer has 1,200 weights for each number
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
