"""The run folder: what is in it, and how it survives a kill at any moment.

    config.json              every setting of the run
    data.json                what the data and the hints were: source, shape, checksums, whether in memory
    schema.json              of a table, of texts or images: what each column is and how it is coded
    metrics.csv              a row an epoch
    assignments.csv          the cluster of each row, and how sure it is
    metrics.json             the result; its presence means that the run is finished
    model.keras              the trained VaDE, or what another system fitted
    export/1/                a VaDE as a SavedModel in float32, for servers (see `export`)
    tensorboard/             the columns of metrics.csv as scalars, and views of the clusters
    checkpoints/state.npz    weights, optimizer and history after an epoch
    checkpoints/pretrained.npz  the autoencoder's weights, for other runs to start from
    checkpoints/clusters.npz what was found for each number of clusters, where the number is chosen
    checkpoints/begun.npz    of which rows and settings the fit is
    checkpoints/start.npz    soft partition and mixture of the start
    checkpoints/further.npz  of texts: the groups that further autoencoders found
    checkpoints/partition.npz  the partition as last recomputed during the VaDE phase
    checkpoints/             best.npz, guided.npz, seconds.npz: see `training.store`

Files are written under another name and then renamed, so each is whole or not there. What a folder holds is checked
when it is read, for it may have been altered. Who trains holds `.lock`, see `places`.
"""

import csv
import io
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data import coding
from vade_tf.data.dataset import Coded
from vade_tf.errors import InputError, cited
from vade_tf.paths import usable
from vade_tf.reading import COPY_AGAIN, each, json_object, record, stored_arrays, text_of
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.places import CONFIG, DATA, by_name, check_empty, list_told, told
from vade_tf.training.store import COLUMNS, TEXT_COLUMNS
from vade_tf.writing import whole, write_whole, writing

MOST_EPOCHS = 10**6  # rows of a history, which are held as objects of Python and drawn
LARGEST = 1e30  # of a finite number in a history or a table; the span of larger ones is not to be drawn
NUMBER, MAYBE = (int, float), (int, float, type(None))
SCORES, BOUND = ("acc", "nmi", "ari"), ("elbo", "distortion", "rate_z", "rate_c")  # of each all are there, or none
CHOICE = record(
    {
        "n_clusters": int,
        "why": told,
        "tried": each(list, int),
        "strength": each(list, NUMBER),
    }
)
METRICS = {
    **dict.fromkeys(("dataset", "source", "device", "precision"), told),
    **dict.fromkeys(("n", "n_features", "n_clusters", "seed"), int),
    **dict.fromkeys((*SCORES, *BOUND, "rate_w"), MAYBE),
    "likelihood": lambda value: value is None or told(value),
    "choice": lambda value: value is None or (CHOICE(value) and len(value["tried"]) == len(value["strength"])),
    **dict.fromkeys(("kind", "start"), told),
    **dict.fromkeys(("health", "remedies"), list_told),
    "epochs": by_name(MAYBE),
    "seconds": by_name(NUMBER),
    "versions": by_name(told),
}


def schema_of(folder: Path) -> Coded | None:
    """How the rows of a run were coded, as schema.json of its folder says; None where there is none.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / "schema.json"
    if not file.exists():
        return None
    try:
        return coding.read(file)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{file} is missing or damaged ({cited(error)}); {COPY_AGAIN}") from error


class Run:
    """A run folder that exists, and the store of its fit (`training.store.Store`). Make one with `create` or `open`."""

    def __init__(self, path: Path, config: TrainConfig):
        self.path = path
        self.config = config

    @classmethod
    def create(cls, path: str | Path, config: TrainConfig, data: dict, schema: Coded | None = None) -> "Run":
        """A new run folder, for data with this fingerprint, coded by this schema.

        Raises:
            InputError: the folder is not empty, or cannot be written.
        """
        path = usable(path, "out")
        check_empty(path)
        with writing(path):
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_whole(path / "data.json", json.dumps(data).encode())
        if schema is None:  # a run of other data, which a kill ended here, may have left one
            (path / "schema.json").unlink(missing_ok=True)
        else:
            write_whole(path / "schema.json", json.dumps(schema.to_dict()).encode())
        write_whole(path / "config.json", config.to_json().encode())
        return cls(path, config)

    @classmethod
    def open(cls, path: str | Path, argument: str = "") -> "Run":
        """The run in an existing folder.

        Args:
            path: the folder.
            argument: that gave its name, if one did.

        Raises:
            InputError: there is no run in it, or its config.json is damaged.
        """
        path = usable(path, "run")
        file = path / "config.json"
        if not file.is_file():
            named = f"{argument}: " if argument else ""
            raise InputError(f"{named}{path}: expected a run folder, found no config.json in it")
        try:
            return cls(path, TrainConfig.of(json_object(file, CONFIG)))
        except InputError as error:  # no JSON, or a setting out of range
            raise InputError(f"{file} is damaged or of another version ({error})") from error

    @property
    def finished(self) -> bool:
        return (self.path / "metrics.json").exists()

    @property
    def data(self) -> dict:
        """data.json: what the run began with.

        Source, rows, features and crc32 of the rows, a checksum of the hints, whether the rows stayed in their file,
        and the shape of the images that they are (None, or not there, in older folders).
        """
        return json_object(self.path / "data.json", DATA)

    @property
    def schema(self) -> Coded | None:
        """schema.json: how the rows were coded; None for rows of an array, and for runs that are older than schemas.

        Raises:
            InputError: the file is damaged.
        """
        return schema_of(self.path)

    @property
    def metrics(self) -> dict:
        """metrics.json, see `train.train`; what was not measured is None.

        Raises:
            InputError: the run is not finished, or the file is damaged.
        """
        if not self.finished:
            raise InputError(f"{self.path}: expected a finished run; continue it with resume={str(self.path)!r}")
        file = self.path / "metrics.json"
        found = {**dict.fromkeys((*SCORES, *BOUND)), **json_object(file, METRICS)}
        for names in (SCORES, BOUND):
            absent = [name for name in names if found[name] is None]
            if 0 < len(absent) < len(names) or (absent and names == BOUND and self.config.model == "vade"):
                raise InputError(f"{file} is damaged ({absent[0]}: expected a number, got none); {COPY_AGAIN}")
        return found

    def check_data(self, data: dict, argument: str, todo: str = "restore that file") -> None:
        """Raises InputError that blames `argument` unless the run began with these data.

        Args:
            data: as data.json has it. Hints and kinds are compared where both have them: older folders have none.
            argument: what the error names.
            todo: what the error advises.
        """
        before = self.data
        if any(data[name] != before[name] for name in ("rows", "features", "crc32")):
            expected, got = (f"{each['rows']:,} rows of {each['features']:,} features" for each in (before, data))
            got = got if got != expected else f"other {got}"
            got += "" if data["source"] == before["source"] else f" from {data['source']}"
            raise InputError(
                f"{argument}: {self.path} began with other data: expected {expected} from {before['source']}, got {got}"
                f"; {todo}"
            )
        for name, of in (("image_shape", "images of shape "), ("kind", "")):
            if name in before and name in data and before[name] != data[name]:
                raise InputError(
                    f"{argument}: {self.path} began with a version of vade_tf that took its rows for "
                    f"{of}{before[name]}, not {data[name]}; train it anew"
                )
        theirs, mine = before.get("hints"), data.get("hints")
        if None not in (theirs, mine) and theirs != mine:
            raise InputError(
                f"{argument}: {self.path} began with other hints than {self.config.hints} holds now; restore that file"
            )

    def choose(self, clusters: int) -> None:
        """Write the number of clusters that a fit has chosen into config.json."""
        if self.config.clusters != clusters:
            self.config = replace(self.config, clusters=clusters)
            write_whole(self.path / "config.json", self.config.to_json().encode())

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays as checkpoints/NAME.npz."""
        with whole(self._checkpoint(name)) as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of checkpoints/NAME.npz, or None.

        Raises:
            InputError: the file is damaged.
        """
        file = self._checkpoint(name)
        return stored_arrays(file, "remove it to start its phase anew") if file.exists() else None

    def place(self, name: str) -> str:
        """Where the arrays of a name are, for an error that is about them."""
        return str(self._checkpoint(name))

    def _checkpoint(self, name: str) -> Path:
        return self.path / "checkpoints" / f"{name}.npz"

    def save_rows(self, rows: list[dict], new: int = 0) -> None:
        """Write metrics.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path / "metrics.csv", text.getvalue().encode())

    def load_rows(self) -> list[dict]:
        """metrics.csv: a dict an epoch, numbers as floats, columns without a value left out.

        Raises:
            InputError: it is missing or damaged.
        """
        file = self.path / "metrics.csv"
        try:
            reader = csv.DictReader(io.StringIO(text_of(file), newline=""))
            if not {"phase", "epoch"} <= set(reader.fieldnames or ()) <= set(COLUMNS):
                raise ValueError(f"its columns are {reader.fieldnames}")
            rows = [
                {name: text if name in TEXT_COLUMNS else float(text) for name, text in row.items() if text != ""}
                for row in itertools.islice(reader, MOST_EPOCHS)
            ]
            if next(reader, None) is not None:
                raise ValueError(f"it has more than {MOST_EPOCHS:,} rows")
            if any(not {"phase", "epoch"} <= set(row) for row in rows):
                raise ValueError("a row without a phase or an epoch")
            numbers = [cell for row in rows for cell in row.values() if isinstance(cell, float)]
            if far := [number for number in numbers if LARGEST < abs(number) < math.inf]:
                raise ValueError(f"expected numbers up to {LARGEST:g}, got {far[0]:g}")
            return rows
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise InputError(f"{file} is missing or damaged ({cited(error)}); {COPY_AGAIN}") from error

    def finish(self, metrics: dict) -> None:
        """Write metrics.json, which marks the run as finished, and drop the state that only a resume needs."""
        write_whole(self.path / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
        (self.path / "checkpoints" / "state.npz").unlink(missing_ok=True)
