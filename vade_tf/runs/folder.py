"""The run folder: what is in it, how it survives a kill at any moment, and the trained model in it.

    config.json              every setting of the run
    data.json                what the data and the hints were: source, shape, checksums, whether in memory
    schema.json              of a table, of texts or images: what each column is and how it is coded
    metrics.csv              a row for each recorded epoch
    assignments.csv          the cluster of each row, and how sure it is
    metrics.json             the result; its presence means that the run is finished
    model.keras              the trained VaDE, or what another system fitted
    export/1/                a VaDE as a SavedModel in float32, for servers (see `export`)
    tensorboard/             the columns of metrics.csv as scalars, and views of the clusters
    checkpoints/NAME.npz     what a resume goes on from, see `training.store`; state.npz: weights, optimizer and history

Files are written under another name and then renamed, so each is whole or not there. Who trains holds `.lock`. Of
models only Keras files are read, in Keras' safe mode; a SavedModel never.
"""

import csv
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data.dataset import Coded
from vade_tf.data.files import schema_in
from vade_tf.errors import InputError, cited
from vade_tf.model import own_networks
from vade_tf.model.vade import VaDE
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.location import check_single, check_unused
from vade_tf.storage import whole, write_whole
from vade_tf.systems import registry  # noqa: F401  layers of systems that were added are known to Keras
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Clustering
from vade_tf.training.store import COLUMNS

SCORES, BOUND = ("acc", "nmi", "ari"), ("elbo", "distortion", "rate_z", "rate_c")
METRICS = ("dataset", "source", "n", "n_features", "n_clusters", "seed", "health", "remedies", "epochs", "seconds")
DATA = ("source", "rows", "features", "crc32")


def read_json(file: Path, keys: tuple[str, ...] = ()) -> dict:
    """The object that a JSON file of a run holds. Raises InputError where it is damaged, or lacks one of these keys."""
    try:
        values = json.loads(file.read_text("utf-8"))
        if absent := [key for key in keys if key not in values]:
            raise ValueError(f"{absent[0]} is missing")
        return values
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(file, error) from error


def read_schema(folder: Path) -> Coded | None:
    """schema.json of a folder: how the rows of its run were coded; None without one. Raises InputError if damaged."""
    file = folder / "schema.json"
    if not file.exists():
        return None
    try:
        return schema_in(file)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(file, error) from error


def table(rows: Sequence[dict], columns: Sequence[str]) -> bytes:
    """These columns of dicts as .csv."""
    found = pandas.DataFrame(rows, columns=columns, dtype=object)
    return found.to_csv(index=False, lineterminator="\n").encode()


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError("run", "a whole run folder", f"{file}, which is damaged ({cited(error)})", "copy it again")


class Run:
    """A run folder that exists, and the store of its fit (`training.store.Store`). Make one with `create` or `open`."""

    def __init__(self, path: Path, config: TrainConfig):
        self.path = path
        self.config = config
        self._writers: dict[str, tf.summary.SummaryWriter] = {}  # of TensorBoard, one a phase

    @classmethod
    def create(cls, path: str | Path, config: TrainConfig, data: dict, schema: Coded | None = None) -> "Run":
        """A new run folder, for data with this fingerprint, coded by this schema. Raises InputError if it is taken."""
        check_unused(path := Path(path))
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_whole(path / "data.json", json.dumps(data).encode())
        (path / "schema.json").unlink(missing_ok=True)  # of a run of other data, which a kill ended here
        if schema is not None:
            write_whole(path / "schema.json", json.dumps(schema.to_dict()).encode())
        write_whole(path / "config.json", config.to_json().encode())
        return cls(path, config)

    @classmethod
    def open(cls, path: str | Path, argument: str = "run") -> "Run":
        """The run in a folder. Raises InputError, which blames `argument`, where there is none or a damaged one."""
        file = Path(path) / "config.json"
        if not file.is_file():
            raise InputError(argument, "a run folder", f"{path}, which has no config.json")
        try:
            return cls(Path(path), TrainConfig.of(read_json(file)))
        except (InputError, TypeError) as error:
            raise InputError(argument, "a whole run folder of this version", f"{file} ({error})") from error

    @property
    def data(self) -> dict:
        """data.json: what the run began with, see `train.identity`."""
        return read_json(self.path / "data.json", DATA)

    @property
    def schema(self) -> Coded | None:
        """schema.json: how the rows were coded; None for rows of an array."""
        return read_schema(self.path)

    @property
    def metrics(self) -> dict:
        """metrics.json, see `train.train`; what was not measured is None. Raises InputError of an unfinished run."""
        if not (self.path / "metrics.json").exists():
            raise InputError("run", "a finished run", str(self.path), "resume it")
        return {**dict.fromkeys((*SCORES, *BOUND)), **read_json(self.path / "metrics.json", METRICS)}

    def check_data(self, data: dict, argument: str, hint: str = "restore that file") -> None:
        """Raises InputError that blames `argument` unless the run began with these data, as data.json has them."""
        before = self.data
        for name in ("rows", "features", "crc32", "image_shape", "kind", "hints"):
            if before.get(name) != data.get(name):
                expected, got = (f"{each['source']}, {name} {each.get(name)}" for each in (before, data))
                raise InputError(argument, f"the data that {self.path} began with ({expected})", got, hint)

    def choose(self, clusters: int) -> None:
        """Write the number of clusters that a fit has chosen into config.json."""
        if self.config.clusters != clusters:
            self.config = replace(self.config, clusters=clusters)
            write_whole(self.path / "config.json", self.config.to_json().encode())

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays as checkpoints/NAME.npz."""
        with whole(Path(self.place(name))) as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of checkpoints/NAME.npz, or None. Raises InputError where the file is damaged."""
        file = Path(self.place(name))
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise InputError("resume", "whole checkpoints", f"{file} ({cited(error)})", "remove it") from error

    def place(self, name: str) -> str:
        return str(self.path / "checkpoints" / f"{name}.npz")

    def save_rows(self, rows: list[dict], new: int = 0) -> None:
        """Write metrics.csv, and the new rows as scalars into tensorboard/PHASE."""
        write_whole(self.path / "metrics.csv", table(rows, COLUMNS))
        for row in rows[len(rows) - new :]:
            phase = row["phase"]
            if phase not in self._writers:
                self._writers[phase] = tf.summary.create_file_writer(str(self.path / "tensorboard" / phase))
            with self._writers[phase].as_default(step=row["epoch"]):
                for name in row.keys() - {"phase", "epoch", "seconds"}:
                    tf.summary.scalar(name, row[name])

    def load_rows(self) -> list[dict]:
        """metrics.csv: a dict a row, numbers as floats, no column without a value. Raises InputError if damaged."""
        file = self.path / "metrics.csv"
        try:
            with file.open(newline="", encoding="utf-8") as stream:
                return [
                    {name: text if name == "phase" else float(text) for name, text in row.items() if text != ""}
                    for row in csv.DictReader(stream)
                ]
        except (ValueError, TypeError, csv.Error) as error:
            raise _damaged(file, error) from error

    def finish(self, metrics: dict) -> None:
        """Write metrics.json, which marks the run as finished, and drop the state that only a resume needs."""
        write_whole(self.path / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
        (self.path / "checkpoints" / "state.npz").unlink(missing_ok=True)


def load(path: str | Path) -> keras.Model:
    """The trained model of a finished run folder, or of a .keras file.

    Args:
        path: a run folder or a .keras file. What `export` wrote is loaded by `vade_tf.Served` instead: a SavedModel
            holds a program, so it should be one that you trust.

    Returns:
        A `VaDE`, or what another system fitted (`systems`).

    Raises:
        InputError: there is none, or it cannot be read, or it is no model of this package.
    """
    check_single(path := Path(path))
    file = path if path.name.endswith(".keras") else path / "model.keras"
    if not file.is_file():
        raise InputError("path", "a finished run folder or a .keras file", f"{path}, which has no {file.name}")
    try:
        model = own_networks.load(file)
    except Exception as error:  # whatever Keras, h5py and TensorFlow raise for what is damaged
        raise InputError("path", "a whole model of this version", f"{file} ({cited(error)})") from error
    if not isinstance(model, (VaDE, Clustering, GMVAE)):
        raise InputError("path", "a model of vade_tf", f"{file}, which holds {type(model).__name__}")
    return model


def load_schema(path: str | Path) -> Coded | None:
    """How the rows of a run were coded, which its model is given.

    Args:
        path: a run folder, or the model.keras in one.

    Returns:
        The schema of a table, whose `encode(table)[0]` are features, float32 [n, D]; of texts or genes, whose `encode`
        gives the features; of a folder of images; None where rows were numbers.

    Raises:
        InputError: schema.json is damaged, or there is no run.
    """
    folder = Path(path).parent if Path(path).name.endswith(".keras") else Path(path)
    if not (folder / "model.keras").is_file() and not Path(path).is_file():
        raise InputError("path", "a run folder", f"{path}, which has no model.keras")
    return read_schema(folder)


def load_run(path: str | Path) -> tuple[Run, keras.Model]:
    """A finished run and its model. Raises InputError where the run is not finished, or a file is damaged."""
    check_single(path)
    run = Run.open(path)
    _ = run.metrics  # raises where it is not finished
    return run, load(path)
