"""How fast, and in how much memory, does `vade-tf predict` take a file that is larger than it should hold?

python benchmarks/predict.py                    about 10 minutes on 2 cores, 2.4 GB in the temporary folder

Trains a VaDE with the default widths for a few epochs on 20,000 rows of 50 features in 10 groups, writes 5,000,000 such
rows as float32 into a .npy and into a .parquet file, and runs the command on each in a process of its own. Prints the
command's own last line, the peak of its resident memory (ru_maxrss, which includes Python and TensorFlow and the pages
of mapped files), and whether the clusters of the first and last 10,000 rows are those of `VaDE.predict`. Writes
benchmarks/results/predict.csv.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import csv_rows
import here
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet

RESULTS = here.RESULTS / "predict.csv"  # of the rows by default; of others with their number
FEATURES, GROUPS, TRAINED = 50, 10, 20_000
PART = 100_000  # rows made together
COMPARED = 10_000
LIMIT = 1536  # MiB
PROGRAM = "from vade_tf.cli.entry import main; raise SystemExit(main())"
# runs the command and prints how much memory it took: a process of its own, so that no other child counts
MEASURE = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
unit = 2**20 if sys.platform == "darwin" else 2**10
seconds = time.perf_counter() - begun
print(json.dumps({"code": done.returncode, "out": done.stdout, "seconds": seconds, "mib": most / unit}))
"""


def rows_of(number: int, n: int) -> np.ndarray:
    """Part of that number of the rows, float32 [n, D]: normal around the centre of a group."""
    centres = np.random.default_rng(0).normal(scale=2.0, size=(GROUPS, FEATURES))
    r = np.random.default_rng((1, number))
    return (centres[r.integers(0, GROUPS, n)] + r.normal(size=(n, FEATURES))).astype(np.float32)


def make(folder: Path, n: int) -> dict[str, Path]:
    """The files, a part after the other; returns them by kind."""
    files = {kind: folder / f"rows.{kind}" for kind in ("npy", "parquet")}
    array = np.lib.format.open_memmap(files["npy"], "w+", np.float32, (n, FEATURES))
    schema = pyarrow.schema([(f"f{i}", pyarrow.float32()) for i in range(FEATURES)])
    with pyarrow.parquet.ParquetWriter(files["parquet"], schema) as writer:
        for number, start in enumerate(range(0, n, PART)):
            x = rows_of(number, min(PART, n - start))
            array[start : start + len(x)] = x
            writer.write_table(pyarrow.Table.from_arrays(list(x.T), schema=schema))
    array.flush()
    return files


def measure(run: Path, file: Path, out: Path) -> dict:
    """The command on a file: its last line, seconds of the whole process, MiB."""
    command = [sys.executable, "-c", PROGRAM, "predict", run, "--data", file, "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(here.ROOT)},
    )  # fmt: skip
    found = json.loads(done.stdout)
    if found["code"] != 0:
        raise SystemExit(done.stderr)
    found["said"] = next(line for line in found["out"].splitlines() if line.endswith("rows a second"))
    return found


def same(run: Path, file: Path, out: Path, n: int) -> bool:
    """Whether the first and the last rows have the clusters that `VaDE.predict` gives them."""
    from vade_tf.runs.load import load

    x, size = np.load(file, mmap_mode="r"), min(COMPARED, n)
    found = pandas.read_csv(out)
    if len(found) != n or not (found["row"].to_numpy() == np.arange(n)).all():
        return False
    model, ends = load(run), (slice(0, size), slice(n - size, n))
    gamma = [model.predict(np.array(x[rows]), verbose=0) for rows in ends]
    agree = [(g.argmax(axis=1) == found["cluster"].to_numpy()[rows]) for g, rows in zip(gamma, ends, strict=True)]
    close = [np.abs(g.max(axis=1) - found["confidence"].to_numpy()[rows]) for g, rows in zip(gamma, ends, strict=True)]
    return bool(np.concatenate(agree).all() and np.concatenate(close).max() < 1e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, begun = Path(name), time.perf_counter()
        files = make(folder, options.rows)
        np.save(folder / "train.npy", rows_of(0, TRAINED))
        print(f"files made in {time.perf_counter() - begun:.0f} s", flush=True)
        train = ["--clusters", GROUPS, "--pretrain-epochs", 2, "--epochs", 2, "--precision", "float32", "--no-export"]
        command = [sys.executable, here.ROOT / "train.py", "--data", folder / "train.npy", "--out", folder / "run"]
        subprocess.run([str(each) for each in [*command, *train]], check=True, stdout=subprocess.DEVNULL)
        table = []
        for kind, file in files.items():
            out = folder / f"{kind}.csv"
            found = measure(folder / "run", file, out)
            right = same(folder / "run", files["npy"], out, options.rows)
            print(f".{kind}: {found['said']}; {found['seconds']:.0f} s and {found['mib']:,.0f} MiB in all", end="")
            print(f" ({'below' if found['mib'] < LIMIT else 'ABOVE'} {LIMIT:,}); as predict: {right}", flush=True)
            speed = found["said"].split(", ")[-1].split()[0].replace(",", "")
            row = {"file": kind, "rows": options.rows, "features": FEATURES, "peak_mib": round(found["mib"])}
            row |= {"rows_per_second": speed, "process_seconds": round(found["seconds"]), "as_predict": right}
            table.append(row)
    usual = options.rows == parser.get_default("rows")
    results = RESULTS if usual else RESULTS.with_stem(f"{RESULTS.stem}_{options.rows}")
    typed = "" if usual else f" --rows {options.rows}"
    csv_rows.write(table, results, table[0], f"python benchmarks/predict.py{typed}")


if __name__ == "__main__":
    main()
