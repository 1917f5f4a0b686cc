"""Training, predict and evaluate on rows that stay in their file: how much memory, and how fast against rows in memory?

python benchmarks/large.py /big/folder                 10 million x 100 float32 rows, 8 GB of disk
python benchmarks/large.py /big/folder --rows 1000000  a quick look

Makes rows.npy (4 GB), the same rows as rows.parquet, and subset.npy, which fits in memory, in the folder, unless they
are there. Each command is a process of its own, told that the machine has as much memory as rows.npy is long, so that
the two large files stay where they are: train on the subset and on each of the files in turn, then predict and
evaluate. Before a file is used, the system is asked to forget what it has read of it.

Prints for each the peak of its resident memory (ru_maxrss, Python and TensorFlow included) and the rows a second of the
phases, by the clock and by processor time: the fastest epoch counts, for the first one compiles. The clock tells
nothing while others use the machine; processor time does not see a wait for the disk. Writes
benchmarks/results/large.csv, or large_ROWS.csv where a flag is given.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import csv_rows
import here
import numpy as np
from peak_memory import peak

RESULTS = here.RESULTS / "large.csv"  # by default; else with the number of rows
FEATURES, GROUPS, PART, BATCH = 100, 10, 100_000, 1024
LIMIT = 2560  # MiB
SHARE = 0.7  # of the rate in memory
COLUMNS = ("command", "file", "rows", "peak_mib", "pretrain_rows_s", "fit_rows_s", "fit_rows_cpu_s", "seconds")


def rows_of(number: int, n: int) -> np.ndarray:
    """Part of that number of the rows, float32 [n, D]: normal around the centre of a group."""
    centres = 2 * np.random.default_rng(0).standard_normal((GROUPS, FEATURES), np.float32)
    r = np.random.default_rng((1, number))
    return centres[r.integers(0, GROUPS, n)] + r.standard_normal((n, FEATURES), np.float32)


def make(folder: Path, n: int, subset: int) -> dict[str, Path]:
    """The files, a part after the other; returns them by kind. The subset is the first rows of the others."""
    import pyarrow
    import pyarrow.parquet

    names = {"rows.npy": n, "rows.parquet": n, "subset.npy": subset}
    files = {name: folder / f"{rows}-{name}" for name, rows in names.items()}
    if all(file.exists() for file in files.values()):
        return files
    schema = pyarrow.schema([(f"f{i}", pyarrow.float32()) for i in range(FEATURES)])
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, FEATURES)}
    with (
        files["rows.npy"].open("wb") as array,
        pyarrow.parquet.ParquetWriter(files["rows.parquet"], schema, compression="none", use_dictionary=False) as table,
    ):
        np.lib.format.write_array_header_1_0(array, header)
        for number, start in enumerate(range(0, n, PART)):
            x = rows_of(number, min(PART, n - start))
            array.write(x.data)
            table.write_table(pyarrow.Table.from_arrays(list(x.T), schema=schema))
    np.save(files["subset.npy"], np.load(files["rows.npy"], mmap_mode="r")[:subset])
    return files


def child(command: str, data: str, out: str, hidden: str, epochs: int, memory: int) -> None:
    """One command in this process; prints what it took as JSON."""
    from vade_tf import machine

    machine.memory = lambda: memory  # before others import it
    import keras

    from vade_tf.cli import main
    from vade_tf.runs.config import TrainConfig
    from vade_tf.runs.train import train
    from vade_tf.training.reporter import Lines

    class Times(keras.callbacks.Callback):
        """Seconds of each epoch by the clock and of the processors."""

        def __init__(self):
            super().__init__()
            self.found: dict[str, list[tuple[float, float]]] = {}

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch, logs=None):
            phase = "pretrain" if self.model.name == "autoencoder" else "fit"
            spent = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]
            self.found.setdefault(phase, []).append(spent)
            print(f"{phase} epoch {epoch + 1}: {spent[0]:.0f} s, peak {peak():,.0f} MiB", file=sys.stderr, flush=True)

    times, begun = Times(), time.perf_counter()
    if command == "train":
        lengths = {"pretrain_epochs": epochs, "epochs": epochs + 1, "regroups": 1}
        more = {"precision": "float32", "hidden": hidden, "batch_size": BATCH}
        config = TrainConfig(data=data, clusters=GROUPS, **lengths, **more)
        train(config, out, extra=[times], reporter=Lines(), export=False)
    elif command == "predict":
        main.main(["predict", out, "--data", data, "--out", f"{out}.csv"])
    else:
        main.main(["evaluate", out, "--no-figures", "--quiet"])
    took = {"seconds": time.perf_counter() - begun, "times": times.found, "peak": peak()}
    print("\n" + json.dumps(took))


def measured(command: str, file: Path, n: int, out: Path, options) -> dict:
    """A row of the table."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    words = [
        "--child",
        command,
        str(file),
        str(out),
        options.hidden,
        str(options.epochs),
        str(4 * FEATURES * options.rows),
    ]
    environment = {**os.environ, "VADE_TF_HOME": str(options.folder / "cache")}
    done = subprocess.run(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    found = json.loads(done.stdout.splitlines()[-1])
    best = {phase: np.array(spent).min(axis=0) for phase, spent in found["times"].items()}
    row = {"command": command, "file": file.suffix[1:] if n == options.rows else "in memory", "rows": n}
    row |= {"peak_mib": round(found["peak"]), "seconds": round(found["seconds"])}
    if best:
        row |= {"pretrain_rows_s": round(n / best["pretrain"][0]), "fit_rows_s": round(n / best["fit"][0])}
        row |= {"fit_rows_cpu_s": round(n / best["fit"][1])}
    print(", ".join(f"{name} {row[name]}" for name in COLUMNS if name in row), flush=True)
    return row


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        *words, epochs, memory = sys.argv[2:]
        return child(*words, int(epochs), int(memory))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go, and stay")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--subset", type=int, default=500_000, help="rows of the subset (default: 500000)")
    parser.add_argument("--hidden", default="32,32", help="a small network reads the most (default: 32,32)")
    parser.add_argument("--epochs", type=int, default=1, help="of the autoencoder; of VaDE one more (default: 1)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    files, runs = make(options.folder, options.rows, options.subset), Path(options.folder / f"runs-{os.getpid()}")
    runs.mkdir()
    names = [
        name for name in ("rows", "subset", "hidden", "epochs") if options.__dict__[name] != parser.get_default(name)
    ]
    typed = "".join(f" --{name} {options.__dict__[name]}" for name in names)
    results = RESULTS.with_stem(f"{RESULTS.stem}_{options.rows}") if typed else RESULTS
    table: list[dict] = []
    for name in ("subset.npy", "rows.npy", "subset.npy", "rows.parquet", "subset.npy"):
        n = options.subset if name == "subset.npy" else options.rows
        table.append(measured("train", files[name], n, runs / str(len(table)), options))
        csv_rows.write(table, results, COLUMNS, f"python benchmarks/large.py FOLDER{typed}")
    for command in ("predict", "evaluate"):
        table.append(measured(command, files["rows.npy"], options.rows, runs / "1", options))
        csv_rows.write(table, results, COLUMNS, f"python benchmarks/large.py FOLDER{typed}")
    print(verdict(table))


def verdict(table: list[dict]) -> str:
    """The rates as shares of those in memory, and the peak, each beside its limit."""
    within, lines = [row for row in table if row["file"] != "in memory"], []
    for measure in ("fit_rows_s", "fit_rows_cpu_s"):
        memory = np.median([row[measure] for row in table if row["file"] == "in memory"])
        shares = {row["file"]: row[measure] / memory for row in within if measure in row}
        said = ", ".join(f"{share:.2f} for .{file}" for file, share in shares.items())
        met = "yes" if min(shares.values()) >= SHARE else "no"
        lines.append(f"{measure}: {said} of the rate in memory, at least {SHARE}: {met}")
    most = max(row["peak_mib"] for row in within)
    return "\n".join([*lines, f"peak {most:,} MiB, below {LIMIT:,}: {'yes' if most < LIMIT else 'no'}"])


if __name__ == "__main__":
    main()
