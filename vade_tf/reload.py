"""What a finished run leaves to be looked at: its data, its history. Never writes into a run folder."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.files import load_file
from vade_tf.data.named import TEST_ROWS
from vade_tf.data.sources import load_dataset
from vade_tf.errors import InputError
from vade_tf.run import TEXT_COLUMNS, Run


def load_rows(
    run: Run,
    model: keras.Model,
    *,
    data_dir: str | None = None,
    data: str | None = None,
    labels: str | None = None,
    test: bool = False,
) -> tuple[Dataset, int | None]:
    """The rows to evaluate a run on.

    Args:
        run: the run folder.
        model: its model.
        data_dir: where the named data set lies now; default: as in training.
        data: own file instead of the run's data; takes the run's likelihood and scaling.
        labels: labels of that file, see `data.files.load_file`.
        test: the test half of the run's named data set.

    Returns:
        The rows, and how many of them the run was trained on (None: not known).

    Raises:
        InputError: the data cannot be found, do not fit the model, or are not those of the run.
    """
    if data is not None:
        dataset = load_file(data, labels, model.likelihood)
        width = read_json(run.path / "data.json").get("features")
        if dataset.x.shape[1] != width:
            raise InputError(
                f"--data: expected {width} features, as {run.path} has, got {dataset.x.shape[1]} in {data}"
            )
        if model.likelihood == "bernoulli" and (dataset.x.dtype == np.uint8) != (model.scaling is not None):
            kind = "values in [0, 1]" if model.scaling is None else "uint8 from 0 to 255"
            raise InputError(f"--data: expected {kind}, as {run.path} was trained on, got {dataset.x.dtype} in {data}")
        return dataset, None
    config = replace(run.config, limit=None, held_out=0.0, data_dir=data_dir or run.config.data_dir)
    ways = "--data FILE" if config.data is not None else "--data-dir FOLDER or --data FILE"
    try:
        whole, _ = load_dataset(config)
    except InputError as error:
        raise InputError(f"{run.path}: its data cannot be loaded; say where they are with {ways} ({error})") from error
    trained = _trained_on(whole, run)
    expected = read_json(run.path / "data.json")
    facts = ("rows", "features", "crc32")
    if any(trained.fingerprint[name] != expected.get(name) for name in facts):
        raise InputError(
            f"{run.path}: expected the data it was trained on, {expected.get('rows')} rows from "
            f"{expected.get('source')}, got {len(trained.x)} other rows from {trained.source}; name them with {ways}"
        )
    if not test:
        return trained, len(trained.x)
    size = TEST_ROWS.get(config.dataset or "", 0)
    if not 0 < size < len(whole.x):
        raise InputError(
            f"--test: expected a run on the full {' or '.join(TEST_ROWS)}, which have a test half, got "
            f"{len(whole.x)} rows of {whole.name} from {whole.source}"
        )
    numbered = replace(whole, x=np.arange(len(whole.x))[:, None], y=None)
    numbers = np.asarray(_trained_on(numbered, run).x)
    test_half = replace(whole, x=whole.x[-size:], y=None if whole.y is None else whole.y[-size:])
    return test_half, int(np.sum(numbers >= len(whole.x) - size))


def _trained_on(whole: Dataset, run: Run) -> Dataset:
    """Of all rows those that the run was trained on."""
    rows = whole.limited(run.config.limit, run.config.seed)
    return rows.split(run.config.held_out, run.config.seed)[0] if run.config.held_out > 0 else rows


def read_json(file: Path) -> dict:
    """A JSON file of a run folder.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged ({error}); copy the run folder again") from error


def read_history(run: Run) -> list[dict]:
    """metrics.csv: a dict an epoch, numbers as floats, columns without a value left out.

    Raises:
        InputError: it is missing or damaged.
    """
    file = run.path / "metrics.csv"
    try:
        with file.open(newline="") as lines:
            return [
                {name: text if name in TEXT_COLUMNS else float(text) for name, text in row.items() if text != ""}
                for row in csv.DictReader(lines)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged ({error}); copy the run folder again") from error
