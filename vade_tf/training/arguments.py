"""What a fit is given, validated: rows, settings, hints, callbacks and networks, and whether they go together."""

import reprlib
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data.dataset import Observations
from vade_tf.data.observations import observe, with_likelihood
from vade_tf.errors import InputError
from vade_tf.model.counts import Counts
from vade_tf.model.inputs import known_groups
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.vade import VaDE
from vade_tf.training import cluster, distribute
from vade_tf.training.settings import AUTO, MANY_ROWS, RECIPES, Resolved, Settings

IMAGE_SIDES = range(12, 33)  # pixels that convolutions are worth; smaller images are faster dense, larger ones slow


def as_observations(x, likelihood: str) -> Observations:
    """Rows of any of the kinds that `recipe.fit` takes, validated.

    Raises:
        InputError: they are no matrix of finite numbers, or the likelihood does not fit them.
    """
    if isinstance(x, tf.data.Dataset):
        x = read_data_set(x)
    if not isinstance(x, Observations):
        return observe(x, likelihood)
    return x if likelihood == AUTO else with_likelihood(x, likelihood)


def read_data_set(batches: tf.data.Dataset) -> np.ndarray:
    """All rows of a finite data set of rows [D], or of batches of them, whose first axis is open."""
    spec = batches.element_spec
    finite = int(batches.cardinality()) != tf.data.INFINITE_CARDINALITY
    if not finite or not isinstance(spec, tf.TensorSpec) or spec.shape.rank is None or None in spec.shape[1:]:
        expected = "a finite tf.data.Dataset of rows of one known shape, or of batches of them"
        raise InputError("x", expected, f"elements {spec}" if finite else "an endless one")
    batched = spec.shape.rank > 1 and spec.shape[0] is None
    parts = list((batches if batched else batches.batch(1024)).as_numpy_iterator())
    if not parts:
        raise InputError("x", "at least one row", "an empty tf.data.Dataset")
    return np.concatenate(parts)


def validate_settings(settings) -> None:
    """Raises InputError where settings are none."""
    if not isinstance(settings, Settings):
        raise InputError("settings", "Settings(clusters=...)", reprlib.repr(settings))


def validate_callbacks(callbacks) -> list[keras.callbacks.Callback]:
    """The caller's callbacks as a list.

    Raises:
        InputError: they are none.
    """
    found = list(callbacks or ()) if callbacks is None or isinstance(callbacks, Iterable) else [callbacks]
    if not all(isinstance(each, keras.callbacks.Callback) for each in found):
        raise InputError("callbacks", "a list of keras.callbacks.Callback", reprlib.repr(callbacks))
    return found


def validate_hints(hints, n: int, clusters: int) -> np.ndarray:
    """Hints as int32 [n].

    Raises:
        InputError: they are no whole numbers from -1 to K - 1, one for each row.
    """
    found = known_groups(hints, clusters)
    if len(found) != n:
        raise InputError("hints", f"{n:,} whole numbers, the group of each row", f"{len(found):,}")
    return found.astype(np.int32)


def sharpens(data: Observations, likelihood: Likelihood) -> bool:
    """Whether rows are images whose groups a classifier sharpens by default: small grey ones that are no counts."""
    shape = data.image_shape
    if shape is None or shape[2:] not in ((), (1,)) or max(shape[:2]) > max(IMAGE_SIDES):
        return False
    return not isinstance(likelihood, Counts)


def choose_network(data: Observations, likelihood: Likelihood, settings: Settings) -> str:
    """The networks that these rows get, "dense" or "conv".

    Raises:
        InputError: convolutions are asked for, and the rows are no images, or counts.
    """
    shape = data.image_shape
    unsuited = shape is None or isinstance(likelihood, Counts)
    if settings.network == AUTO:
        widths = settings.hidden is not None and not isinstance(settings, Resolved)  # which dense networks alone have
        if shape is None or unsuited or widths or len(data.x) >= MANY_ROWS:
            return "dense"
        return "conv" if all(side in IMAGE_SIDES for side in shape[:2]) else "dense"
    if settings.network == "conv" and unsuited:
        found = f"rows of {data.x.shape[1]:,} features taken as {likelihood.name}"
        raise InputError("network", "images for 'conv'", found, "set network to dense, or image_shape for own rows")
    return settings.network


def validate_widths(settings: Settings, own: bool = False) -> None:
    """Raises InputError where widths of dense layers are set beside convolutions, or networks of the caller's own."""
    given = settings.hidden not in (None, RECIPES[settings.recipe].get("hidden"))
    if given and (own or settings.network == "conv"):
        beside = "encoder and decoder" if own else "convolutions"
        raise InputError("hidden", f"no widths beside {beside}", str(settings.hidden), "leave one of them out")


def validate_together(data: Observations, likelihood: Likelihood, settings: Resolved, hints: np.ndarray | None) -> None:
    """Raises InputError where rows, settings and known groups cannot be used together.

    Args:
        data, likelihood: the rows, and theirs.
        settings: resolved for them.
        hints: known group of each row, as `validate_hints` returns them, or None.
    """
    if settings.self_train_epochs:
        _validate_self_training(data, likelihood, settings)
    if hints is not None and (hints >= 0).any() and settings.guide_weight == 0:
        raise InputError("guide_weight", "a weight above 0 for hints", "0")
    if settings.augment == "photos" and data.image_shape is None:
        found = f"rows of {data.x.shape[1]} features"
        raise InputError("augment", "images for 'photos'", found, "set image_shape, or augment to none")
    if data.origins is not None and not isinstance(likelihood, Counts):
        hint = "set layer to that of the counts, or likelihood to counts"
        raise InputError("batch", "counts", f"rows that are taken as {likelihood.name}", hint)
    if settings.init == "gmm" and len(data.x) < 2:
        raise InputError("x", "at least 2 rows, to which a Gaussian mixture is fitted", "1")
    strategy = cluster.strategy(settings.distribute)
    if strategy is not None:
        distribute.check_batch_size(strategy, settings.batch_size)


def _validate_self_training(data: Observations, likelihood: Likelihood, settings: Resolved) -> None:
    """Raises InputError where a classifier cannot sharpen the groups."""
    needs = {
        "images that are no counts": data.image_shape is not None and not isinstance(likelihood, Counts),
        "their augmentation": settings.augment != "none",
        "regroups of at least 1": settings.regroups > 0,
        "at least 2 guide_epochs": min(settings.guide_epochs, settings.epochs) > 1,
        "one device": settings.distribute == "none",
    }
    if missing := [need for need, there in needs.items() if not there]:
        raise InputError("self_train_epochs", f"0 without {missing[0]}", str(settings.self_train_epochs))


def validate_beside_networks(settings: Settings, model: VaDE) -> None:
    """Raises InputError where settings ask for another code than that of the caller's networks, of which a model is."""
    width, default = model.prior.latent_dim, Settings.__dataclass_fields__["latent_dim"].default
    if settings.latent_dim not in (default, width):
        hint = "leave it out beside networks of your own"
        raise InputError("latent_dim", f"{width}, the width of their code", str(settings.latent_dim), hint)
