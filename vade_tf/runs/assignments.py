"""Which cluster each row belongs to, as a table: `row,cluster,confidence`, a line a row."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keras

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.writing import whole, writing

BATCH = 1024
HEADER = "row,cluster,confidence\n"


def table(
    model: keras.Model, x: Rows, numbers=None, advance: Callable[[int, str], None] = lambda done, text: None
) -> Iterator[str]:
    """The lines of the table, batch by batch, the header first.

    Args:
        model: a fitted system whose `predict` gives probabilities [n, K].
        x: raw rows, [n, D].
        numbers: what `row` says of each, int [n]; default 0, 1, ...
        advance: hears of each batch, as `phase` of a reporter returns it.

    Yields:
        Lines of row, most probable cluster (from 0) and its probability.
    """
    yield HEADER
    at = 0
    for rows in pipeline.ordered_batches(x, BATCH):
        probabilities = model.predict_on_batch(rows)  # [batch, K]
        clusters, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        names = range(at, at + len(clusters)) if numbers is None else numbers[at : at + len(clusters)]
        yield "".join(f"{row},{c},{p:.6f}\n" for row, c, p in zip(names, clusters, confidence, strict=True))
        at += len(clusters)
        advance(1, "")


def write(path: Path, lines: Iterator[str], argument: str = "") -> None:
    """Write lines into a file that is whole or not there; what it held before stays until then.

    Args:
        path: the file, or a link to it, which is replaced; a device or a pipe is written to as it stands.
        lines: text, read as it is written.
        argument: that gave its name, if one did.

    Raises:
        StorageError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        with writing(path, argument), path.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines)
    else:
        with writing(path, argument), whole(path) as binary:
            binary.writelines(line.encode() for line in lines)
