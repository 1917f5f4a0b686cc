"""How much memory does a data set of REUTERS' size need? A synthetic sparse matrix through the package's own steps.

python benchmarks/memory.py                     some minutes on 2 cores

Makes a CSR matrix of 685,071 x 2,000 with some 55 numbers a row, whose columns are as unequal as words are (Zipf), and
takes it the way of `train.py --dataset reuters`: check and fingerprint, model and optimizer, autoencoder, starting
mixture, VaDE held to groups, evaluation of the bound. What grows with the rows is done in full: the check, the
fingerprint, the order of an epoch, and the start, which reads 100,000 rows at most and gives all rows their groups.
What only takes time is cut short: --steps batches of an epoch and as many of the evaluation. Prints the peak of the
process's memory after each step (ru_maxrss, which includes Python and TensorFlow) and writes it to
benchmarks/results/memory.csv.
"""

import argparse
import time

import csv_rows
import here
import numpy as np
import scipy.sparse
from peak_memory import peak

RESULTS = here.RESULTS / "memory.csv"
LIMIT = 2048  # MiB
PER_ROW = 60  # numbers drawn a row; some fall on one column


def words(n: int, n_features: int, seed: int = 0) -> scipy.sparse.csr_array:
    """A matrix like RCV1's: rows [n, D] of length sqrt(D), about 55 numbers each, made 50,000 rows at a time."""
    r = np.random.default_rng(seed)
    share = 1 / np.arange(10, n_features + 10)
    parts = []
    for start in range(0, n, 50_000):
        rows = min(50_000, n - start)
        columns = r.choice(n_features, (rows, PER_ROW), p=share / share.sum()).astype(np.int32)
        values = r.gamma(2.0, 1.0, (rows, PER_ROW)).astype(np.float32)
        part = scipy.sparse.csr_array(
            (values.ravel(), columns.ravel(), np.arange(rows + 1, dtype=np.int32) * PER_ROW), (rows, n_features)
        )
        part.sum_duplicates()
        length = np.sqrt(part.multiply(part).sum(axis=1))
        part.data *= np.repeat((np.sqrt(n_features) / length).astype(np.float32), np.diff(part.indptr))
        parts.append(part)
    return scipy.sparse.vstack(parts, format="csr")


def measure(n: int, n_features: int, steps: int) -> list[dict]:
    """Peak memory after each step of a run, MiB; the seconds of a step are only printed."""
    rows, begun = [], time.perf_counter()

    def note(step: str) -> None:
        nonlocal begun
        rows.append({"step": step, "peak_mib": round(peak())})
        print(f"{step:<32}{rows[-1]['peak_mib']:>7} MiB {time.perf_counter() - begun:>7.1f} s", flush=True)
        begun = time.perf_counter()

    import tensorflow as tf

    from vade_tf.data import pipeline
    from vade_tf.data.observing import build
    from vade_tf.model.optimizer import FusedAdam
    from vade_tf.training import autoencoder, recipe
    from vade_tf.training.settings import Settings

    tf.constant(0)
    note("Python and TensorFlow")
    matrix = words(n, n_features)
    note(f"matrix, {matrix.nnz / n:.0f} numbers a row")
    dataset = build(matrix, None, "words", "synthetic", "gaussian", standardise=False)
    del matrix
    print(f"fingerprint {dataset.fingerprint['crc32']:08x}")
    note("check and fingerprint")
    fitting = recipe.begin(dataset.observations(), Settings(clusters=4, precision="float32"))
    model, batch_size = fitting.model, fitting.settings.batch_size
    reads = autoencoder.build_autoencoder(model)
    reads.compile(FusedAdam(1e-3), autoencoder.reconstruction_loss(model))
    batches = pipeline.training_batches(dataset.x, batch_size, 0, range(1))
    reads.fit(batches.map(lambda x: (x, x)), steps_per_epoch=steps, shuffle=False, verbose=0)
    note(f"autoencoder, {steps} steps")
    groups = recipe.start(fitting)
    note("start, groups of all rows")
    model.compile(FusedAdam(1e-3))
    batches = pipeline.training_batches(dataset.x, batch_size, 0, range(1), hints=groups)
    model.fit(batches, hints=True, steps_per_epoch=steps, shuffle=False, verbose=0)
    note(f"VaDE, {steps} steps")
    model.evaluate(pipeline.ordered_batches(dataset.x).take(steps), verbose=0)
    model.predict(pipeline.ordered_batches(dataset.x).take(steps), verbose=0)
    note(f"bound and groups, {steps} batches")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=685_071, help="rows (default: 685071)")
    parser.add_argument("--features", type=int, default=2000, help="columns (default: 2000)")
    parser.add_argument("--steps", type=int, default=30, help="batches of an epoch (default: 30)")
    options = parser.parse_args()
    rows = measure(options.rows, options.features, options.steps)
    print(f"peak {rows[-1]['peak_mib']} MiB, below {LIMIT}: {'yes' if rows[-1]['peak_mib'] < LIMIT else 'no'}")
    if options.rows == parser.get_default("rows") and options.features == parser.get_default("features"):
        csv_rows.write(rows, RESULTS, ("step", "peak_mib"), "python benchmarks/memory.py")


if __name__ == "__main__":
    main()
