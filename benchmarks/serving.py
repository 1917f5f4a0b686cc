"""What does the exported SavedModel cost: to write, to load, and for each answer, beside `model.predict`?

python benchmarks/serving.py runs/mnist         about a minute on 2 cores

* export: the seconds of `vade_tf.export.export`, and the bytes of the folder;
* cold: a fresh Python process that imports TensorFlow, loads the folder and answers one row; wall clock of the whole
  process, as its caller sees it, and its parts;
* latency: one row a call, median over the calls; throughput: 8,192 rows in batches of 256.

The contenders take turns within a round, so that a machine whose speed drifts hurts all alike; figures are medians over
the rounds. Results go to benchmarks/results/serving.csv.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import csv_rows
import here
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.runs.load import load
from vade_tf.serving.export import export
from vade_tf.training import device

RESULTS = here.RESULTS / "serving.csv"
BATCH, ROWS = 256, 8192
COLD = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
begun = time.perf_counter()
import tensorflow as tf
imported = time.perf_counter()
served = tf.saved_model.load(sys.argv[1])
loaded = time.perf_counter()
served.signatures["serving_default"](x=tf.zeros((1, int(sys.argv[2]))))
print(imported - begun, loaded - imported, time.perf_counter() - loaded)
"""


def cold(folder: Path, n_features: int) -> dict[str, float]:
    """Seconds of a fresh process, whole and by part."""
    command = [sys.executable, "-c", COLD, str(folder), str(n_features)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - begun
    parts = dict(zip(("import TensorFlow", "load", "first answer"), map(float, done.stdout.split()), strict=True))
    return {"fresh process, start to end": whole, **{f"  of it: {name}": value for name, value in parts.items()}}


def contenders(model, folder: Path, n_features: int) -> dict:
    """{name: function that answers raw rows [n, D] given as bytes, in batches of BATCH}."""
    signatures = (served := tf.saved_model.load(str(folder))).signatures

    def ask(name, dtype, key):
        def answer(x, served=served):  # the default keeps the weights alive
            for i in range(0, len(x), BATCH):
                signatures[name](x=tf.constant(x[i : i + BATCH].astype(dtype)))[key].numpy()

        return answer

    return {
        "model.predict": lambda x: model.predict(x, batch_size=BATCH, verbose=0),
        "model.predict_on_batch": lambda x: [model.predict_on_batch(x[i : i + BATCH]) for i in range(0, len(x), BATCH)],
        "serving_default": ask("serving_default", np.float32, "probabilities"),
        "classify_bytes": ask("classify_bytes", np.uint8, "probabilities"),
        "encode": ask("encode", np.float32, "mean"),
        "reconstruct": ask("reconstruct", np.float32, "x"),
        "score": ask("score", np.float32, "elbo"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="finished run folder or .keras file")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--calls", type=int, default=50, help="calls of one row in a round (default: 50)")
    arguments = parser.parse_args()
    tf.get_logger().setLevel("ERROR")
    figures: dict[tuple[str, str], list[float]] = {}

    def note(what: str, unit: str, value: float) -> None:
        figures.setdefault((what, unit), []).append(value)

    try:
        model = load(arguments.run)
        with tempfile.TemporaryDirectory() as to:
            begun = time.perf_counter()
            folder = export(model, to)
            note("export", "s", time.perf_counter() - begun)
            note("size", "MB", sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6)
            n_features = model.n_features
            x = np.random.default_rng(0).integers(0, 256, (ROWS, n_features)).astype(np.uint8)
            jobs = contenders(model, folder, n_features)
            for answer in jobs.values():
                answer(x[:BATCH])
                answer(x[:1])
            for _ in range(arguments.rounds):
                for what, seconds in cold(folder, n_features).items():
                    note(what, "s", seconds)
                for name, answer in jobs.items():
                    times = []
                    for i in range(arguments.calls):
                        begun = time.perf_counter()
                        answer(x[i : i + 1])
                        times.append(time.perf_counter() - begun)
                    note(f"{name}, one row", "ms", 1e3 * statistics.median(times))
                    begun = time.perf_counter()
                    answer(x)
                    note(f"{name}, batches of {BATCH}", "rows/s", ROWS / (time.perf_counter() - begun))
    except InputError as error:
        print(f"serving.py: {error}", file=sys.stderr)
        return 2

    policy = model.encoder.layers[1].dtype_policy.name
    table = [(what, round(statistics.median(values), 3), unit) for (what, unit), values in figures.items()]
    about = f"{device.describe()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}; the model computes in {policy}"
    print(f"{about}, the export in float32\n")
    for what, value, unit in table:
        print(f"{what:<40} {value:>12,.3f} {unit}" if value < 1000 else f"{what:<40} {value:>12,.0f} {unit}")
    columns = ("what", "value", "unit")
    rows = [dict(zip(columns, row, strict=True)) for row in table]
    command = f"python benchmarks/serving.py {arguments.run} --rounds {arguments.rounds} --calls {arguments.calls}"
    csv_rows.write(rows, RESULTS, columns, command, f"{about}, the export in float32")
    return 0


if __name__ == "__main__":
    sys.exit(main())
