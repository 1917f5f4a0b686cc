"""What a fit may keep, and find again when it goes on after a pause: the `Store` protocol, and memory as one.

A fit keeps arrays under these names:

    begun        what the fit is one of: rows and settings, see `begun`
    seconds      of what has no epochs
    state        weights, optimizer and history after a whole epoch
    best         those of the autoencoder after the epoch with the lowest loss of the rows set aside
    pretrained   the autoencoder's weights, and what it was trained for: see `Pretrained`
    clusters     what was found for each number of clusters, where the number is chosen
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

from vade_tf.errors import InputError, cited
from vade_tf.reading import each, finite, parsed, record

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
        try:
            meta = parsed(str(arrays["meta"]))
            if not record({"phase": _is_phase, "epoch": _is_epoch, "rows": each(list, _is_row)})(meta):
                raise ValueError(f"expected a phase, an epoch and rows of the history, got {str(meta)[:40]!r}")
        except (KeyError, ValueError, RecursionError) as error:
            raise damaged(store, "state", cited(error)) from error
        phase, epoch, rows = meta["phase"], meta["epoch"], meta["rows"]
        return cls(phase, epoch, listed(arrays), rows)


@dataclass(frozen=True)
class Pretrained:
    """An autoencoder as a fit keeps it, and lends it to others.

    Attributes:
        weights: of its networks.
        aside: numbers of the rows that gave it no gradient, ascending.
        likelihood: `config` of the likelihood that it was trained for.
        epochs: of its training.
    """

    weights: list[np.ndarray]
    aside: np.ndarray
    likelihood: str | dict
    epochs: int

    def save(self, store: Store) -> None:
        meta = json.dumps({"likelihood": self.likelihood, "epochs": self.epochs})
        store.save("pretrained", {"meta": np.array(meta), "aside": self.aside, **numbered(self.weights)})

    @classmethod
    def load(cls, store: Store, n: int) -> "Pretrained | None":
        """That of a store, of n rows; None where there is none, or that of an older folder, which has weights alone."""
        arrays = store.load("pretrained")
        if arrays is None or not {"meta", "aside"} & set(arrays):
            return None
        try:
            meta, aside = parsed(str(arrays["meta"])), arrays["aside"]
            if not record({"likelihood": (str, dict), "epochs": int})(meta):
                raise ValueError(f"expected a likelihood and a number of epochs, got {str(meta)[:40]!r}")
            if aside.dtype.kind != "i" or aside.ndim != 1 or np.any(np.diff(aside, prepend=-1, append=n) <= 0):
                raise ValueError(f"aside: expected different numbers of rows from 0 to {n - 1}, ascending")
        except (KeyError, ValueError, RecursionError) as error:
            raise damaged(store, "pretrained", cited(error)) from error
        return cls(listed(arrays), aside, meta["likelihood"], meta["epochs"])


def _is_phase(value) -> bool:
    return value in ("pretrain", "fit")


def _is_epoch(value) -> bool:
    return type(value) is int and value >= 1


def _is_number(value) -> bool:
    return type(value) in (int, float)


_ROW = {  # what a column may hold; a number may be infinite or none, as it was found
    **dict.fromkeys(COLUMNS, _is_number),
    "phase": _is_phase,
    "epoch": _is_epoch,
    "seconds": finite,
    "restored_epoch": lambda epoch: type(epoch) is int and epoch >= 0,
    "reseeded": lambda text: isinstance(text, str) and all(c.isdecimal() and len(c) < 10 for c in text.split()),
}


def _is_row(row) -> bool:
    """Whether a value is a row of a history."""
    return (
        isinstance(row, dict)
        and {"phase", "epoch", "seconds"} <= set(row) <= set(COLUMNS)
        and all(_ROW[name](value) for name, value in row.items())
    )


def damaged(store: Store, name: str, why: str) -> InputError:
    """The error for kept arrays that no fit has kept."""
    return InputError(f"{store.place(name)} is damaged ({why}); remove it to start its phase anew")


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
            found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
            raise damaged(store, name, f"{part}: expected {kind} of shape {shape}, all finite, got {found}")
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
        raise damaged(store, name, "expected the weights of this model, all finite")
    return found


def kept_partition(store: Store, name: str, n: int, clusters: int, more: dict) -> dict[str, np.ndarray] | None:
    """As `kept`, with the soft partition P of n rows, [n, K], among the arrays.

    Raises:
        InputError: it is damaged, or of an older version, whose starts were groups.
    """
    if "groups" in (store.load(name) or {}):
        raise InputError(
            f"{store.place(name)} is of an older version of vade_tf, which cannot be gone on from; fit anew"
        )
    arrays = kept(store, name, {"P": ("f", (n, clusters)), **more})
    if arrays is not None and not 0 <= arrays["P"].min() <= arrays["P"].max() <= 1:
        raise damaged(store, name, "expected probabilities")
    return arrays


def numbered(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A list of arrays in the form that a store keeps; `listed` is the inverse."""
    return {f"array_{i:03d}": array for i, array in enumerate(arrays)}


def listed(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    names = [name for name in arrays if name.startswith("array_")]
    return [arrays[name] for name in sorted(names, key=lambda name: (len(name), name))]  # 1000 comes after 999
