"""What a fit may keep, and find again when it goes on after a pause: the `Store` protocol, and memory as one.

A fit keeps arrays under these names:

    fingerprint  which rows and settings the fit has, see `fingerprint`
    seconds      of what has no epochs
    state        weights, optimizer and history after a whole epoch
    best         weights of the autoencoder after the epoch with the lowest validation loss
    pretrained   the autoencoder's weights, and what it was trained for: see `Pretrained`
    clusters     prediction strength of each number of clusters, where the number is chosen
    start        soft partition P and mixture of the start
    further      of texts: the groups that further autoencoders found
    partition    P as last recomputed during the VaDE phase
    guided       weights after the last epoch that was held to P

and, once a second or when the state is kept, the rows of its history. The run folder (`runs.folder.Run`) is a store
on disk.
"""

import json
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from vade_tf.errors import InputError

COLUMNS = (
    "phase", "epoch", "learning_rate", "loss", "elbo", "distortion", "rate_z", "rate_w", "rate_c", "guidance",
    "val_loss", "acc", "nmi", "ari", "gamma_entropy", "components_used", "active_units", "reseeded", "restored_epoch",
    "seconds",
)  # fmt: skip
TEXT_COLUMNS = ("phase", "reseeded")  # reseeded: components that got a new start, separated by spaces


@runtime_checkable
class Store(Protocol):
    """Where a fit keeps what it may need again."""

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays under a name, instead of those before."""

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays kept under a name, or None."""

    def place(self, name: str) -> str:
        """Where that is, as an error about it says."""

    def save_rows(self, rows: list[dict], new: int) -> None:
        """The history has grown: all rows so far, a dict an epoch (see `COLUMNS`), of which the last `new` are new."""


class Memory:
    """A store that keeps everything in memory: a fit that was interrupted goes on if it is given the same one.

    It is for one fit: a fit to other rows, or with other seed, clusters, likelihood or hints, is refused.
    """

    def __init__(self):
        self.kept: dict[str, dict[str, np.ndarray]] = {}

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self.kept[name] = arrays

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        return self.kept.get(name)

    def place(self, name: str) -> str:
        return f"store: {name}"

    def save_rows(self, rows: list[dict], new: int) -> None:
        """Nothing: the rows are in the state and in the result."""


@dataclass(frozen=True)
class State:
    """A fit after a whole epoch: phase, epochs done in it, its arrays, and the rows of the history so far."""

    phase: str
    epoch: int
    arrays: list[np.ndarray]
    rows: list[dict]

    def save(self, store: Store) -> None:
        meta = json.dumps({"phase": self.phase, "epoch": self.epoch, "rows": self.rows})
        store.save("state", {"meta": np.array(meta), **numbered(self.arrays)})

    @classmethod
    def load(cls, store: Store) -> "State | None":
        """The last state kept, or None if no epoch was finished."""
        arrays = store.load("state")
        if arrays is None:
            return None
        meta = _meta(store, "state", arrays, ("phase", "epoch", "rows"))
        return cls(meta["phase"], meta["epoch"], listed(arrays), meta["rows"])


@dataclass(frozen=True)
class Pretrained:
    """An autoencoder as a fit keeps it, and lends it to others.

    Attributes:
        weights: of its networks.
        validation: numbers of the rows that gave it no gradient, ascending.
        likelihood: `config` of the likelihood that it was trained for.
        epochs: of its training.
    """

    weights: list[np.ndarray]
    validation: np.ndarray
    likelihood: str | dict
    epochs: int

    def save(self, store: Store) -> None:
        meta = json.dumps({"likelihood": self.likelihood, "epochs": self.epochs})
        store.save("pretrained", {"meta": np.array(meta), "validation": self.validation, **numbered(self.weights)})

    @classmethod
    def load(cls, store: Store, n: int) -> "Pretrained | None":
        """The autoencoder of n rows that a store has, or None."""
        arrays = store.load("pretrained")
        if arrays is None:
            return None
        meta = _meta(store, "pretrained", arrays, ("likelihood", "epochs"))
        validation = arrays.get("validation", np.zeros(1))
        if validation.dtype.kind != "i" or np.any(np.diff(validation, prepend=-1, append=n) <= 0):
            raise damaged(store, "pretrained", f"numbers of validation rows, ascending and below {n}")
        return cls(listed(arrays), validation, meta["likelihood"], meta["epochs"])


def _meta(store: Store, name: str, arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> dict:
    """What is kept as JSON beside the arrays of a name.

    Raises:
        InputError: it is damaged, or of an older version.
    """
    try:
        meta = json.loads(str(arrays["meta"]))
        return {key: meta[key] for key in keys}
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, name, f"{', '.join(keys)} in its meta") from error


def damaged(store: Store, name: str, expected: str) -> InputError:
    """The error for arrays that this version has not kept."""
    found = f"others in {store.place(name)}"
    return InputError("store", expected, found, "it is damaged or of an older version; fit anew in another place")


def kept(store: Store, name: str, expected: dict[str, tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray] | None:
    """The arrays kept under a name, or None.

    Args:
        store: where they are.
        name: theirs.
        expected: kind ("i": whole, "f": finite numbers) and shape of each.

    Raises:
        InputError: they are others.
    """
    arrays = store.load(name)
    if arrays is None:
        return None
    for part, (kind, shape) in expected.items():
        array = arrays.get(part)
        if array is None or array.dtype.kind != kind or array.shape != shape or not np.isfinite(array).all():
            raise damaged(store, name, f"finite numbers of shape {shape} as {part}")
    return {part: arrays[part] for part in expected}


def kept_weights(store: Store, name: str, arrays: dict[str, np.ndarray], model_weights: list) -> list[np.ndarray]:
    """The weights of a model among the arrays of a name, as `numbered` calls them.

    Args:
        store, name: where they are.
        arrays: what is kept there.
        model_weights: arrays of the same model.

    Raises:
        InputError: they are of another one, or not finite.
    """
    found = listed(arrays)
    forms = [[(weight.shape, weight.dtype.kind) for weight in weights] for weights in (found, model_weights)]
    if forms[0] != forms[1] or not all(np.isfinite(weight).all() for weight in found):
        raise damaged(store, name, "the finite weights of this model")
    return found


def kept_partition(store: Store, name: str, n: int, clusters: int, more: dict) -> dict[str, np.ndarray] | None:
    """As `kept`, with the soft partition P of n rows, [n, K], among the arrays."""
    arrays = kept(store, name, {"P": ("f", (n, clusters)), **more})
    if arrays is not None and not 0 <= arrays["P"].min() <= arrays["P"].max() <= 1:
        raise damaged(store, name, "probabilities")
    return arrays


def numbered(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A list of arrays in the form that a store keeps; `listed` is the inverse."""
    return {f"array_{i:03d}": array for i, array in enumerate(arrays)}


def listed(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    names = [name for name in arrays if name.startswith("array_")]
    return [arrays[name] for name in sorted(names, key=lambda name: (len(name), name))]  # 1000 comes after 999
