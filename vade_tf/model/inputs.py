"""What a VaDE is given directly, without a fit of the package around it: rows and hints, checked."""

import math

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError, check_form
from vade_tf.model import choice


def check_rows(model, x) -> None:
    """Check rows given as an array or a pair of arrays: their width and their units. Data sets are not looked at.

    Args:
        model: a `VaDE`.
        x: what its `fit`, `evaluate` or `predict` got.

    Raises:
        InputError: no rows of the model's width, or values that are not finite or not in its units.
    """
    expected = f"an array of rows [n, {model.n_features}]"
    shape = model.encoder.input_shape[1:]
    for each in x if isinstance(x, (tuple, list)) else (x,):
        if each is None or isinstance(each, (str, dict, int, float, list)):
            raise InputError("x", expected, type(each).__name__)
        if any(hasattr(each, name) for name in ("iloc", "toarray", "obsm")) or np.ma.is_masked(each):
            hint = "use VaDEClusterer, or give schema.encode(x), dense, with vade_tf.load_schema of the run"
            raise InputError("x", expected, f"a {type(each).__name__}", hint)
        if not hasattr(each, "__array__"):
            continue
        rows = np.asarray(each)
        if model.origins is not None and rows.ndim == 2 and rows.shape[1] == model.n_features + 1:
            rows = _without_origins(rows, model.origins.number)
        if rows.ndim < 2 or not len(rows) or math.prod(rows.shape[1:]) != model.n_features:
            raise InputError("x", expected, f"shape {rows.shape}")
        sides, sides_expected = (sorted(side for side in form if side != 1) for form in (rows.shape[1:], shape))
        if sides == sides_expected:  # perhaps in another order
            check_form(rows.shape[1:], shape, "x")
        choice.check_units(model, rows.reshape(len(rows), model.n_features))


def _without_origins(rows: np.ndarray, number: int) -> np.ndarray:
    """Rows [n, D + 1] without their last column, whose numbers of origins are checked."""
    if not np.isin(rows[:, -1], np.arange(number)).all():
        got = f"{rows[:, -1].min():g} to {rows[:, -1].max():g}"
        raise InputError("x", f"batch numbers from 0 to {number - 1} in the last column", got)
    return rows[:, :-1]


def check_validation(validation) -> None:
    """Check the `validation_data` of a training without hints.

    Labels would count in val_loss, and with it in the choice of the weights that a callback keeps.

    Raises:
        InputError: they are pairs (x, y), or a data set of pairs.
    """
    parts = validation[0] if isinstance(validation, keras.utils.PyDataset) else validation
    parts = parts.element_spec if isinstance(parts, tf.data.Dataset) else parts
    if isinstance(parts, (tuple, list)) and len(parts) > 1 and parts[1] is not None:
        raise InputError("validation_data", "rows alone", "pairs (x, y) with labels", "leave y out, or train on hints=")


def given_hints(model, y, hints):
    """The hints that a `VaDE` is given to train on, as hints or as y, checked; None where it is given none.

    Raises:
        InputError: labels without a hint that they are to be trained on, or hints without any weight.
    """
    if hints is not None and not isinstance(hints, bool):
        if y is not None:
            raise InputError("hints", "hints or y", "both", "leave y out")
        y = hints
    elif y is not None and not hints and not _are_hints(np.asarray(y)):
        hint = "leave y out, or pass it as hints= to train on it"
        raise InputError("y", "no labels, which would make the clustering supervised", "one for every row", hint)
    if y is None:
        return None
    if hints is not True and float(model.guide_weight.numpy()) == 0.0:
        hint = "call model.guide_weight.assign(20.0) first"
        raise InputError("guide_weight", "a weight above 0 for hints", "0, with which they change nothing", hint)
    return checked_hints(y, model.prior.n_components)


def _are_hints(y: np.ndarray) -> bool:
    """Whether y can only be hints: some are -1, not known, and the others are not the 1 of labels of two classes."""
    known = y[y != -1]
    return known.size < y.size and (known.size == 0 or not np.all(known == 1))


def checked_hints(hints, n_clusters: int) -> np.ndarray:
    """Hints given as groups, see `known_groups`, or as probabilities [n, K], whose rows sum to 1 or are all 0."""
    found = np.asarray(hints)
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != n_clusters:
        return known_groups(hints, n_clusters)
    sums = found.sum(axis=1)
    if found.size and (found.min() < 0 or not (np.isclose(sums, 1, atol=1e-2) | (sums == 0)).all()):
        raise InputError("hints", "probabilities whose rows sum to 1, or are all 0 where nothing is known", "others")
    return found


def known_groups(hints, n_clusters: int) -> np.ndarray:
    """Hints given as an array [n] or [n, 1], checked: whole numbers from -1 to K - 1, [n]."""
    found = np.asarray(hints)
    expected = f"whole numbers from 0 to {n_clusters - 1}, or -1 for unknown, of shape (n,)"
    if found.shape[1:] not in ((), (1,)) or found.ndim == 0 or not np.issubdtype(found.dtype, np.integer):
        raise InputError("hints", expected, f"{found.dtype} of shape {found.shape}")
    if found.size and not -1 <= found.min() <= found.max() < n_clusters:
        raise InputError("hints", expected, f"{found.min()} to {found.max()}")
    return found.reshape(-1)


def hints_of_batch(hints, n_clusters: int) -> tf.Tensor:
    """Hints of a batch as P float32 [batch, K]: probabilities, or integers [batch] or [batch, 1], -1 for none.

    XLA drops the check of their range: a group beyond K makes NaN of its row.
    """
    hints = tf.convert_to_tensor(hints)
    if hints.dtype.is_floating and len(hints.shape) == 2 and hints.shape[1] == n_clusters:
        return tf.cast(hints, tf.float32)
    if not (hints.dtype.is_integer and len(hints.shape) in (1, 2)):
        raise InputError("hints", "whole numbers of shape (batch,)", f"{hints.dtype.name} of shape {hints.shape}")
    hints = tf.reshape(tf.cast(hints, tf.int32), (-1,))
    expected = f"hints: expected groups from 0 to {n_clusters - 1}, or -1 for unknown"
    tf.debugging.assert_less(hints, n_clusters, f"{expected}; the model has {n_clusters} components")
    return tf.one_hot(hints, n_clusters) + 0.0 / tf.cast(hints < n_clusters, tf.float32)[:, None]  # NaN where it is not
