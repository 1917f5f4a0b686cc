"""What a fit may keep, and find again when it goes on after a pause: the `Store` protocol, and memory as one.

A fit keeps arrays under these names:

    fingerprint  which rows and settings the fit has
    seconds      of what has no epochs
    state        weights, optimizer and history after a whole block of epochs
    best         weights of the autoencoder after the epoch with the lowest validation loss
    pretrained   the autoencoder's weights, and what it was trained for: see `Pretrained`
    clusters     prediction strength of each number of clusters, where the number is chosen
    start        soft partition P and mixture of the start
    further      of texts: the groups that further autoencoders found
    partition    P as last recomputed during the VaDE phase

and, once a second or when the state is kept, the rows of its history. The run folder (`runs.folder.Run`) is a store
on disk.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.errors import InputError
from vade_tf.seeding import Stream, subset
from vade_tf.training.settings import Resolved

COLUMNS = (
    "phase", "epoch", "learning_rate", "loss", "elbo", "distortion", "rate_z", "rate_w", "rate_c", "guidance",
    "val_loss", "acc", "nmi", "ari", "gamma_entropy", "components_used", "active_units", "restored_epoch", "seconds",
)  # fmt: skip


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
        """The history has grown: all rows so far, a dict each (see `COLUMNS`), of which the last `new` are new."""


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
    """A fit after a whole block of epochs: phase, epochs done in it, its arrays, and the rows of the history so far."""

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
        return None if arrays is None else cls(arrays=listed(arrays), **json.loads(str(arrays["meta"])))


@dataclass(frozen=True)
class Pretrained:
    """An autoencoder as a fit keeps it, and lends it to others."""

    weights: list[np.ndarray]  # of its networks
    validation: np.ndarray  # numbers of the rows that gave it no gradient, ascending
    likelihood: str | dict  # `config` of the likelihood that it was trained for
    epochs: int  # of its training

    def save(self, store: Store) -> None:
        meta = json.dumps({"likelihood": self.likelihood, "epochs": self.epochs})
        store.save("pretrained", {"meta": np.array(meta), "validation": self.validation, **numbered(self.weights)})

    @classmethod
    def load(cls, store: Store) -> "Pretrained | None":
        """The autoencoder that a store has, or None."""
        arrays = store.load("pretrained")
        if arrays is None:
            return None
        return cls(listed(arrays), arrays["validation"], **json.loads(str(arrays["meta"])))


def check_fingerprint(store: Store, rows: Rows, settings: Resolved, about: dict[str, str]) -> None:
    """Keep what identifies a fit, `about` by name, or raise InputError where the store has the state of another.

    Of the rows 256 are read. A fit of more epochs, or trained otherwise, is the same one.
    """
    some = rows[subset(len(rows), pipeline.together(rows, 256), 0, Stream.LOOKED_AT)]
    found = {name: str(getattr(settings, name)) for name in ("seed", "restart", "clusters")}
    found |= {"rows": f"{tuple(rows.shape)}, {zlib.crc32(np.ascontiguousarray(some).data):08x}", **about}
    if any(store.load(name) is not None for name in ("state", "clusters", "further", "start")):
        before = store.load("fingerprint") or {}
        for name, value in found.items():
            if (was := str(before.get(name, "an older version"))) != value:
                expected = f"the state of a fit with {name} {value}"
                raise InputError("store", expected, f"{was} in {store.place('fingerprint')}", "begin in another place")
    store.save("fingerprint", {name: np.array(value) for name, value in found.items()})


def epochs_done(rows: list[dict], phase: str) -> int:
    """Epochs of a phase by the rows of a history."""
    return max((row["epoch"] for row in rows if row["phase"] == phase), default=0)


def numbered(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A list of arrays in the form that a store keeps; `listed` is the inverse."""
    return {f"array_{i:03d}": array for i, array in enumerate(arrays)}


def listed(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    names = [name for name in arrays if name.startswith("array_")]
    return [arrays[name] for name in sorted(names, key=lambda name: (len(name), name))]  # 1000 comes after 999
