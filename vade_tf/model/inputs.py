"""What a VaDE is given directly, without a fit of the package around it: rows and hints, checked."""

import math

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError, check_form
from vade_tf.model import choice

FAIL = 2  # of what a data set depends on besides itself, as tf.data numbers what to do about it


def check_rows(model, x) -> None:
    """Check rows given as an array, a pair of arrays, or a data set: their width and their units.

    Args:
        model: a `VaDE`.
        x: what its `fit`, `evaluate` or `predict` got. Of a data set the first batch is looked at, see `first_batch`.

    Raises:
        InputError: no rows of the model's width, or values that are not finite or not in its units.
    """
    if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
        x = first_batch(x)
        if x is None:
            return
    for each in x if isinstance(x, (tuple, list)) else (x,):
        if each is None or isinstance(each, (str, dict, int, float, list)):
            raise InputError(f"x: expected an array of rows [n, {model.n_features}], got {type(x).__name__}")
        table = hasattr(each, "iloc") or hasattr(each, "to_pandas")
        if table and model.likelihood.takes_missing:  # a Mixed, of columns that a schema has coded
            raise InputError(
                "x: expected the features of a table, as its schema codes them, got a table itself; give "
                "schema.encode(x)[0], with the schema of the fit or vade_tf.load_schema(run)"
            )
        if hasattr(each, "toarray"):
            raise InputError("x: expected an array, got a sparse matrix; give x.toarray(), or use VaDEClusterer")
        if hasattr(each, "var_names") and hasattr(each, "obsm"):
            raise InputError(
                "x: expected an array, got an AnnData; give vade_tf.load_schema(run).encode(x), dense, or use "
                "VaDEClusterer"
            )
        if not hasattr(each, "__array__"):
            continue
        if np.ma.is_masked(each):
            raise InputError("x: expected rows without masked cells, got a masked array with some; drop or impute them")
        rows = np.asarray(each)
        if model.origins is not None and rows.ndim == 2 and rows.shape[1] == model.n_features + 1:
            rows = _without_origins(rows, model.origins.number)
        if rows.ndim < 2 or not len(rows) or math.prod(rows.shape[1:]) != model.n_features:
            raise InputError(f"x: expected rows of {model.n_features} values, got shape {rows.shape}")
        shape = model.encoder.input_shape[1:]
        sides, expected = (sorted(side for side in form if side != 1) for form in (rows.shape[1:], shape))
        if sides == expected:  # perhaps in another order
            check_form(rows.shape[1:], shape, "x")
        choice.check_units(model, rows.reshape(len(rows), model.n_features))


def first_batch(batches: tf.data.Dataset | keras.utils.PyDataset):
    """The x of the first batch of a data set: an array or a pair of them; None where it cannot be looked at.

    A `tf.data.Dataset` that depends on something outside (a Python generator or function, random numbers without a seed
    for each) may not give the same rows twice, and none of it is read.
    """
    if isinstance(batches, keras.utils.PyDataset):
        return keras.utils.unpack_x_y_sample_weight(batches[0])[0] if batches.num_batches != 0 else None
    specs = tf.nest.flatten(batches.element_spec)
    if not tf.executing_eagerly() or not all(isinstance(spec, tf.TensorSpec) for spec in specs):
        return None
    form = {"output_types": [spec.dtype for spec in specs], "output_shapes": [spec.shape for spec in specs]}
    with tf.device("CPU"):
        try:
            iterator = tf.raw_ops.AnonymousIteratorV3(**form)
            tf.raw_ops.MakeIterator(dataset=tf.data.experimental.to_variant(_plain(batches)), iterator=iterator)
            tf.raw_ops.SerializeIterator(resource_handle=iterator, external_state_policy=FAIL)
            parts = tf.raw_ops.IteratorGetNext(iterator=iterator, **form)
        except tf.errors.OpError:  # it depends on such a thing, is empty, or fails, of which Keras will say more
            return None
    return keras.utils.unpack_x_y_sample_weight(tf.nest.pack_sequence_as(batches.element_spec, parts))[0]


def _plain(batches: tf.data.Dataset) -> tf.data.Dataset:
    """A data set that is read as it stands: to make a few batches faster takes longer than one of them."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return batches.with_options(options)


def check_unweighted(sample_weight, validation, class_weight=None) -> None:
    """Raises InputError where rows, of a training or those to validate with, are to count more or less than others."""
    if sample_weight is not None:
        raise InputError("sample_weight: expected none, every row counts alike; leave it out")
    if class_weight is not None:
        raise InputError("class_weight: expected none, every row counts alike; leave it out")
    if isinstance(validation, (tuple, list)) and len(validation) > 2 and validation[2] is not None:
        raise InputError(
            "validation_data: expected rows without sample_weight, every row counts alike, got three parts; leave the "
            "third out"
        )


def check_validation(validation) -> None:
    """Check the `validation_data` of a training without hints.

    Labels would count in val_loss, and with it in the choice of the weights that a callback keeps.

    Raises:
        InputError: they are pairs (x, y), or a data set of pairs, or what does not say whether it is one.
    """
    known = (tuple, list, tf.data.Dataset, keras.utils.PyDataset)
    if validation is not None and not isinstance(validation, known) and not hasattr(validation, "shape"):
        raise InputError(
            "validation_data: expected arrays, a tf.data.Dataset or a keras.utils.PyDataset, which say whether they "
            f"hold labels, got {type(validation).__name__}"
        )
    parts = validation.element_spec if isinstance(validation, tf.data.Dataset) else validation
    if isinstance(validation, keras.utils.PyDataset):
        parts = validation[0]
    if isinstance(parts, (tuple, list)) and len(parts) > 1 and parts[1] is not None:
        raise InputError(
            "validation_data: expected rows alone, got pairs (x, y), whose labels would count in val_loss; leave y "
            "out, or train on hints="
        )


def _without_origins(rows: np.ndarray, number: int) -> np.ndarray:
    """Rows [n, D + 1] without their last column, whose numbers of origins are checked."""
    origins = rows[:, -1]
    if not np.isin(origins, np.arange(number)).all():
        raise InputError(
            f"x: expected origins from 0 to {number - 1} in the last column, got {origins.min():g} to {origins.max():g}"
        )
    return rows[:, :-1]


def given_hints(model, y, hints):
    """The hints that a `VaDE` is given to train on, as hints or as y, checked; None where it is given none.

    Raises:
        InputError: labels without a hint that they are to be trained on, or hints without any weight.
    """
    if hints is not None and not isinstance(hints, bool):
        if y is not None:
            raise InputError("hints: expected hints or y, got both; leave y out")
        y = hints
    elif y is not None and not hints and not _are_hints(np.asarray(y)):
        raise InputError(
            "y: expected no labels, they would make the clustering supervised, got one for every row; leave y out, "
            "or pass it as hints= to train on it"
        )
    if y is None:
        return None
    if hints is not True and float(model.guide_weight.numpy()) == 0.0:
        raise InputError(
            "guide_weight: expected a weight above 0 for hints, got 0, with which they change nothing; call "
            "model.guide_weight.assign(20.0) first"
        )
    return checked_hints(y, model.prior.n_components)


def checked_hints(hints, n_clusters: int) -> np.ndarray:
    """Hints given as groups, see `known_groups`, or as probabilities [n, K], whose rows sum to 1 or are all 0."""
    found = np.asarray(hints)
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != n_clusters:
        return known_groups(hints, n_clusters)
    sums = found.sum(axis=1)
    if found.size and (found.min() < 0 or not (np.isclose(sums, 1, atol=1e-2) | (sums == 0)).all()):
        raise InputError("hints: expected probabilities whose rows sum to 1, or are all 0 where nothing is known")
    return found


def _are_hints(y: np.ndarray) -> bool:
    """Whether y can only be hints: some are -1, not known, and the others are not the 1 of labels of two classes."""
    known = y[y != -1]
    return known.size < y.size and (known.size == 0 or not np.all(known == 1))


def known_groups(hints, n_clusters: int) -> np.ndarray:
    """Hints given as an array [n] or [n, 1], checked: whole numbers from -1 to K - 1, [n]."""
    found = np.asarray(hints)
    if found.shape[1:] not in ((), (1,)) or found.ndim == 0:
        raise InputError(
            f"hints: expected the number of each row's group, of shape (n,), got shape {found.shape}; of one-hot hints "
            "give hints.argmax(axis=1)"
        )
    if not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"hints: expected whole numbers from -1 (unknown) to {n_clusters - 1}, got {found.dtype}")
    if found.size and not -1 <= found.min() <= found.max() < n_clusters:
        raise InputError(
            f"hints: expected groups from 0 to {n_clusters - 1}, or -1 for unknown, got {found.min()} to {found.max()}"
        )
    return found.reshape(-1)


def hints_of_batch(hints, n_clusters: int) -> tf.Tensor:
    """Hints of a batch as P float32 [batch, K]: probabilities, or integers [batch] or [batch, 1], -1 for none.

    XLA drops the check of their range: a group beyond K makes NaN of its row.
    """
    hints = tf.convert_to_tensor(hints)
    if hints.dtype.is_floating and len(hints.shape) == 2 and hints.shape[1] == n_clusters:
        return tf.cast(hints, tf.float32)
    if not (hints.dtype.is_integer and len(hints.shape) in (1, 2)):
        raise InputError(
            f"hints: expected whole numbers of shape (batch,), got {hints.dtype.name} of shape {hints.shape}"
        )
    hints = tf.reshape(tf.cast(hints, tf.int32), (-1,))
    expected = f"hints: expected groups from 0 to {n_clusters - 1}, or -1 for unknown"
    tf.debugging.assert_less(hints, n_clusters, f"{expected}; the model has {n_clusters} components")
    return tf.one_hot(hints, n_clusters) + 0.0 / tf.cast(hints < n_clusters, tf.float32)[:, None]  # NaN where it is not
