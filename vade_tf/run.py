"""The run folder: what is in it, and how it survives a kill at any moment.

    config.json              every setting of the run
    data.json                what the data were: source, shape and checksum
    metrics.csv              a row an epoch
    metrics.json             the result; its presence means that the run is finished
    model.keras              the trained VaDE, or what another system fitted
    export/1/                a VaDE as a SavedModel in float32, for servers (see `export`)
    tensorboard/             the columns of metrics.csv as scalars, and views of the clusters
    checkpoints/state.npz    weights, optimizer and history after an epoch, a few seconds ago at the most
    checkpoints/pretrained.npz  the autoencoder's weights, for other runs to start from
    checkpoints/start.npz    groups and mixture of the start
    checkpoints/groups.npz   the groups as last found anew during the VaDE phase
    checkpoints/assignments.npz  of DEC and IDEC: what the present target was made from

Files are written under another name and then renamed, so each is whole or not there.
"""

import csv
import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vade_tf.config import TrainConfig
from vade_tf.errors import InputError
from vade_tf.init import Start

COLUMNS = (
    "phase", "epoch", "learning_rate", "loss", "elbo", "distortion", "rate_z", "rate_w", "rate_c", "guidance",
    "acc", "nmi", "ari", "gamma_entropy", "components_used", "active_units", "reseeded", "restored_epoch", "seconds",
)  # fmt: skip
TEXT_COLUMNS = ("phase", "reseeded")  # reseeded: components that got a new start, separated by spaces


@dataclass(frozen=True)
class State:
    """A run after a whole epoch: phase, epochs done in it, its arrays, and the rows of metrics.csv so far."""

    phase: str
    epoch: int
    arrays: list[np.ndarray]
    rows: list[dict]


class Run:
    """A run folder that exists. Make one with `create` or `open`."""

    def __init__(self, path: Path, config: TrainConfig):
        self.path = path
        self.config = config

    @classmethod
    def create(cls, path: str | Path, config: TrainConfig, data: dict) -> "Run":
        """A new run folder, for data with this fingerprint.

        Raises:
            InputError: the folder is not empty, or cannot be written.
        """
        path = Path(path)
        check_empty(path)
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            write_whole(path / "data.json", json.dumps(data).encode())
            write_whole(path / "config.json", config.to_json().encode())
        except OSError as error:
            raise InputError(f"--out: {path} cannot be written ({error.strerror}); choose another folder") from error
        return cls(path, config)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """The run in an existing folder.

        Raises:
            InputError: there is no run in it, or its config.json is damaged.
        """
        path = Path(path)
        file = path / "config.json"
        if not file.is_file():
            raise InputError(f"{path}: expected a run folder, found no config.json in it")
        try:
            return cls(path, TrainConfig.from_json(file.read_text()))
        except (TypeError, ValueError) as error:  # ValueError: no JSON, no text, or a setting out of range
            raise InputError(f"{file} is damaged or of another version ({error})") from error

    @property
    def finished(self) -> bool:
        return (self.path / "metrics.json").exists()

    def check_data(self, data: dict, argument: str) -> None:
        """Raises InputError that blames `argument` unless the data have the fingerprint of those the run began with."""
        before = json.loads((self.path / "data.json").read_text())
        if {**data, "source": ""} != {**before, "source": ""}:
            raise InputError(f"{argument}: {self.path} began with other data: expected {before}, got {data}")

    def save_state(self, state: State) -> None:
        """Keep a state instead of the one before."""
        meta = json.dumps({"phase": state.phase, "epoch": state.epoch, "rows": state.rows})
        arrays = {f"array_{i:03d}": array for i, array in enumerate(state.arrays)}
        self._save_arrays("state.npz", meta=np.array(meta), **arrays)

    def save_rows(self, rows: list[dict]) -> None:
        """Write metrics.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path / "metrics.csv", text.getvalue().encode())

    def load_state(self) -> State | None:
        """The last state kept, or None if no epoch was finished."""
        arrays = self._load_arrays("state.npz")
        if arrays is None:
            return None
        meta = json.loads(str(arrays.pop("meta")))
        return State(meta["phase"], meta["epoch"], [arrays[name] for name in sorted(arrays)], meta["rows"])

    def save_pretrained(self, arrays: list[np.ndarray]) -> None:
        self._save_arrays("pretrained.npz", **{f"array_{i:03d}": array for i, array in enumerate(arrays)})

    def load_pretrained(self) -> list[np.ndarray] | None:
        """The weights of encoder and decoder after pretraining, or None if it was not finished."""
        arrays = self._load_arrays("pretrained.npz")
        return None if arrays is None else [arrays[name] for name in sorted(arrays)]

    def save_start(self, start: Start) -> None:
        self._save_arrays("start.npz", **asdict(start))

    def load_start(self) -> Start | None:
        """The start kept, or None if it was not reached."""
        arrays = self._load_arrays("start.npz")
        return None if arrays is None else Start(**arrays)

    def save_groups(self, epoch: int, groups: np.ndarray) -> None:
        self._save_arrays("groups.npz", epoch=np.array(epoch), groups=groups)

    def load_groups(self) -> tuple[int, np.ndarray] | None:
        """The groups last found anew, and after how many epochs of VaDE; None if that was not reached."""
        arrays = self._load_arrays("groups.npz")
        return None if arrays is None else (int(arrays["epoch"]), arrays["groups"])

    def save_assignments(self, epoch: int, q: np.ndarray) -> None:
        self._save_arrays("assignments.npz", epoch=np.array(epoch), q=q)

    def load_assignments(self) -> tuple[int, np.ndarray] | None:
        """The soft assignments [n, K] that DEC last made its target from, and after how many epochs; None: not yet."""
        arrays = self._load_arrays("assignments.npz")
        return None if arrays is None else (int(arrays["epoch"]), arrays["q"])

    def finish(self, metrics: dict) -> None:
        """Write metrics.json, which marks the run as finished, and drop the state that only a resume needs."""
        write_whole(self.path / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
        (self.path / "checkpoints" / "state.npz").unlink(missing_ok=True)

    def _save_arrays(self, name: str, **arrays) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_whole(self.path / "checkpoints" / name, buffer.getbuffer())

    def _load_arrays(self, name: str) -> dict | None:
        file = self.path / "checkpoints" / name
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{file} is damaged ({error}); remove it to start its phase anew") from error


def check_empty(path: Path) -> None:
    """Raises InputError, which says what it holds, unless a folder for a new run is not there yet or empty."""
    if (path / "metrics.json").exists():
        raise InputError(f"--out: {path} holds a finished run; choose another folder or remove this one")
    if (path / "config.json").exists():
        raise InputError(f"--out: {path} holds an unfinished run; continue it with --resume {path}")
    foreign = [file for file in path.iterdir() if not _left_by_a_kill(file)] if path.is_dir() else []
    if foreign:
        raise InputError(
            f"--out: {path} is not empty; choose another folder, or, if it holds several runs already, continue with "
            f"--resume {path}"
        )


def _left_by_a_kill(file: Path) -> bool:
    """Whether `Run.create` makes this before config.json; hidden files do not count either."""
    begun = file.name == "checkpoints" and file.is_dir() and not any(file.iterdir())
    return begun or file.name.startswith((".", "data.json", "config.json.tmp"))


def load(path: str | Path):
    """The trained model of a finished run folder, or of a .keras file; of a SavedModel folder what it serves.

    Args:
        path: a run folder, a .keras file, or one version that `export` wrote, such as runs/mnist/export/1.

    Returns:
        A `VaDE`, or what another system fitted (`baselines`); for a SavedModel a `signatures.Served`, which has the
        verbs of a `VaDE` but cannot be trained.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    import keras

    from vade_tf import baselines
    from vade_tf.model import VaDE

    if (saved := Path(path) / "saved_model.pb").is_file():
        from vade_tf.signatures import Served

        try:
            return Served(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{saved.parent} is damaged or no export of a VaDE ({error})") from error
    baselines.import_all()
    file = Path(path) if str(path).endswith(".keras") else Path(path) / "model.keras"
    if not file.is_file():
        raise InputError(
            f"{path}: expected a finished run folder, a .keras file or an exported version, found no {file.name} there"
        )
    try:
        return keras.models.load_model(file, custom_objects={"VaDE": VaDE})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} is damaged or of another version ({error})") from error


def free_folder(parent: Path, name: str) -> Path:
    """parent/name, or the first of parent/name-2, -3, ... that is not there or empty."""
    path, number = parent / name, 1
    while path.exists() and any(path.iterdir()):
        number += 1
        path = parent / f"{name}-{number}"
    return path


def write_whole(path: Path, content) -> None:
    """Write a file so that it is whole or not there, also after a kill or a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
