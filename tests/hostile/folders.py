"""Run folders that were altered: JSON, arrays, models, links; and the commands that read them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .arrays import saved, zipped
from .case import Case

EVALUATE = ("evaluate", ("run", "--no-figures", "--json", "--quiet"))
REPORT = ("evaluate", ("run", "--quiet"))
PREDICT = ("predict", ("run", "--data", "rows.npy", "--out", "clusters.csv", "--quiet"))
SAMPLE = ("predict", ("run", "--sample", "3", "--out", "rows.csv", "--quiet"))
EXPORT = ("export", ("run", "--to", "models"))
RESUME = ("train", ("--resume", "half", "--no-export", "--quiet"))
LENT = (
    "train",
    (
        "--data",
        "rows.npz",
        "--clusters",
        "3",
        "--pretrained",
        "run",
        "--out",
        "out",
        "--latent-dim",
        "2",
        "--epochs",
        "1",
        "--batch-size",
        "64",
        "--guide-epochs",
        "1",
        "--init",
        "kmeans",
        "--no-export",
        "--quiet",
    ),
)
Change = Callable[[Path], object]


def altered(name: str, of: tuple[str, tuple[str, ...]], change: Change, names: tuple[str, ...], **facts) -> Case:
    """A command on a run folder that `change`, which is given its path, has altered."""
    command, argv = of
    folder = "half" if "half" in argv else "run"
    if "--pretrained" in argv:
        name, facts = f"{name}, lent", {"needs": ("run",), **facts}
    if of is REPORT:
        facts = {"writes": ("run/figures",), **facts}  # drawn before the page that holds them
    return Case(
        f"{command} {name}",
        command,
        argv,
        names,
        make=lambda place: change(place / folder),
        **{"needs": (folder,), **facts},
    )


def put(file: str, content: bytes) -> Change:
    """Writes a file of the run folder."""
    return lambda run: (run / file).write_bytes(content)


def gone(file: str) -> Change:
    def change(run: Path) -> None:
        shutil.rmtree(run / file) if (run / file).is_dir() else (run / file).unlink()

    return change


def folder_at(file: str) -> Change:
    """A folder where a file was."""

    def change(run: Path) -> None:
        (run / file).unlink(missing_ok=True)
        (run / file).mkdir()

    return change


def pipe_at(file: str) -> Change:
    """A pipe that nobody writes where a file was."""

    def change(run: Path) -> None:
        (run / file).unlink()
        os.mkfifo(run / file)

    return change


def keys(file: str, **values) -> Change:
    """Changes values of a JSON file; Ellipsis takes a key out."""

    def change(run: Path) -> None:
        found = {**json.loads((run / file).read_text()), **values}
        (run / file).write_text(json.dumps({name: value for name, value in found.items() if value is not ...}))

    return change


def cut(file: str, share: float) -> Change:
    """Keeps the beginning of a file."""

    def change(run: Path) -> None:
        content = (run / file).read_bytes()
        (run / file).write_bytes(content[: int(share * len(content))])

    return change


def members(file: str, edit: Callable[[dict[str, np.ndarray]], dict]) -> Change:
    """Replaces the arrays of a .npz file."""

    def change(run: Path) -> None:
        with np.load(run / file) as arrays:
            found = edit(dict(arrays))
        content = {f"{name}.npy": each if isinstance(each, bytes) else saved(each) for name, each in found.items()}
        (run / file).write_bytes(zipped(content))

    return change


JSONS = {
    "empty": b"",
    "no JSON": b"{'a': 1}",
    "a list": b"[1, 2]",
    "null": b"null",
    "a number": b"7",
    "a text": b'"a"',
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "no UTF-8": b"\xff\xfe{}",
    "a NaN": b"NaN",
    "5,000 digits": b'{"rows": ' + b"9" * 5000 + b"}",
    "an empty object": b"{}",
    "a lone surrogate": b'{"clusters": "\\ud800"}',
    "a key twice": b'{"clusters": 3, "clusters": 4}',
    "cut": b'{"clusters": 3, "se',
}
SETTINGS = {
    "clusters of text": {"clusters": "3"},
    "clusters of 0": {"clusters": 0},
    "clusters of 1e300": {"clusters": 1e300},
    "clusters of a list": {"clusters": [3]},
    "a seed below 0": {"seed": -1},
    "an unknown key": {"colour": "red"},
    "a model of none": {"model": "svm"},
    "a recipe of a list": {"recipe": ["robust"]},
    "a recipe of none": {"recipe": {}},
    "hidden of text": {"hidden": "wide"},
    "hidden of an object": {"hidden": {"a": 1}},
    "hidden of nothing": {"hidden": []},
    "a learning rate of NaN": {"learning_rate": float("nan")},
    "epochs of -1": {"epochs": -1},
    "epochs of true": {"epochs": True},
    "data of a number": {"data": 5},
    "data of a null byte": {"data": "a\0.npy"},
    "data and dataset": {"dataset": "mnist"},
    "an escape": {"schedule": "\x1b[2J"},
    "a long value": {"schedule": "x" * 10_000},
    "precision of none": {"precision": "float8"},
}


def json_cases() -> Iterator[Case]:
    """config.json, data.json and metrics.json, damaged as a whole and key by key."""
    for name, content in JSONS.items():
        yield altered(f"config.json: {name}", EVALUATE, put("config.json", content), ("config.json", "run: "))
    for name in ("empty", "a list", "100,000 brackets", "no UTF-8", "5,000 digits", "an empty object"):
        yield altered(f"data.json: {name}", EVALUATE, put("data.json", JSONS[name]), ("data.json", "run"))
        yield altered(f"data.json: {name}", PREDICT, put("data.json", JSONS[name]), ("data.json", "--data"))
        yield altered(f"data.json: {name}", RESUME, put("data.json", JSONS[name]), ("data.json", "--resume"))
    for name, content in JSONS.items():
        about = ("metrics.json",)
        yield altered(f"metrics.json: {name}", EVALUATE, put("metrics.json", content), about, ends="either")
    for name, values in SETTINGS.items():
        yield altered(f"config.json: {name}", RESUME, keys("config.json", **values), ("config.json",))
    for file in ("config.json", "data.json"):
        yield altered(f"{file}: gone", EVALUATE, gone(file), (file,))
        yield altered(f"{file}: a folder", EVALUATE, folder_at(file), (file,))
        yield altered(f"{file}: a pipe", EVALUATE, pipe_at(file), (file,))
    yield altered("metrics.json: gone", PREDICT, gone("metrics.json"), ("--resume",))
    yield altered("metrics.json: a folder", EVALUATE, folder_at("metrics.json"), ("metrics.json",))
    yield altered("metrics.json: a pipe", EVALUATE, pipe_at("metrics.json"), ("metrics.json",))
    for name, values in {
        "features of text": {"features": "nine"},
        "features of none": {"features": ...},
        "rows of a list": {"rows": [60]},
        "other rows": {"rows": 61},
        "another checksum": {"crc32": 1},
        "source of an escape": {"source": "\x1b[2J", "rows": 1},
        "a long source": {"source": "s" * 5000, "rows": 1},
        "images of other sides": {"image_shape": [7, 7]},
        "images of one side": {"image_shape": [9]},
        "images of sides below 0": {"image_shape": [-3, -3]},
    }.items():
        yield altered(f"data.json: {name}", EVALUATE, keys("data.json", **values), ("data.json", "run:"))
    for name, values in {
        "n of text": {"n": "sixty"},
        "elbo of none": {"elbo": ...},
        "elbo of a list": {"elbo": [1]},
        "health of a number": {"health": 3},
        "health of objects": {"health": [{}]},
        "an escape": {"health": ["\x1b[2J[bold]"]},
        "seconds of none": {"seconds": None},
        "versions of a list": {"versions": [1]},
        "seconds of 10^400": {"seconds": {"fit": 10**400}},
        "a surrogate": {"seconds": {"\ud800": 1}},
    }.items():
        yield altered(f"metrics.json: {name}", REPORT, keys("metrics.json", **values), ("metrics.json",), ends="either")
    for name, count in {"1e12": 10**12, "1": 1, "0": 0, "-2, minus the width of the code": -2}.items():
        of = keys("metrics.json", n_clusters=count)
        yield altered(f"metrics.json: n_clusters of {name}", EVALUATE, of, ("metrics.json",))
    for name, values in SCHEMAS.items():
        of = put("schema.json", json.dumps(values).encode())
        yield altered(f"schema.json: {name}", SAMPLE, of, ("schema.json",))


TEXTS = {"form": "texts", "column": ""}
PICTURES = {"form": "pictures", "height": 3, "width": 1, "channels": 3}
NUMBER = {"kind": "number", "levels": [], "missing": 0, "log": True, "scale": 1, "offset": 0, "form": "", "rest": False}
SCHEMAS = {
    "two genes": {"form": "genes", "names": ["a", "b"], "layer": ""},
    "two words": {**TEXTS, "words": ["a", "b"], "idf": [1, 1]},
    "a surrogate": {**TEXTS, "words": [*"abcdefgh", "\ud800"], "idf": [1] * 9},
    "pictures of 8192 x 8192": {**PICTURES, "height": 8192, "width": 8192, "channels": 1},
    "pictures of 3.0 channels": {**PICTURES, "channels": 3.0},
    "pictures of a true height": {**PICTURES, "height": True},
    "a scale of 10^400": {
        "form": "table",
        "columns": [{**NUMBER, "name": name, "scale": 10**400} for name in "abcdefghi"],
        "dropped": [],
    },
}

HISTORIES = {
    "empty": b"",
    "only a header": b"phase,epoch,loss\n",
    "texts": b"phase,epoch,loss\nfit,one,two\n",
    "NaN": b"phase,epoch,loss\nfit,1,nan\n",
    "ragged": b"phase,epoch,loss\nfit,1\nfit,1,2,3,4\n",
    "no UTF-8": b"phase,epoch,loss\n\xff,1,2\n",
    "null bytes": b"phase,epoch\n\0,1\n",
    "other columns": b"a,b\n1,2\n",
    "1e400": b"phase,epoch,loss\nfit,1,1e400\n",
    "a picture": b"\x89PNG\r\n" + bytes(500),
    "a field of 1 MB": b"phase,epoch,loss\nfit,1," + b"1" * 1_000_000 + b"\n",
    "an open quote": b'phase,epoch,loss\n"fit,1,2\n',
}


def history_cases() -> Iterator[Case]:
    """metrics.csv, of which the report draws a picture."""
    for name, content in HISTORIES.items():
        yield altered(f"metrics.csv: {name}", REPORT, put("metrics.csv", content), ("metrics.csv",), ends="either")
    yield altered("metrics.csv: gone", REPORT, gone("metrics.csv"), ("metrics.csv",))
    yield altered("metrics.csv: a folder", REPORT, folder_at("metrics.csv"), ("metrics.csv",))
    yield altered("metrics.csv: a pipe", REPORT, pipe_at("metrics.csv"), ("metrics.csv",))


FOLDERS: list[Case] = [*json_cases(), *history_cases()]
