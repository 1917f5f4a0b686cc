"""How fast are the two loops, beside plain Keras, on this machine?

python benchmarks/speed.py                      about 6 minutes on 2 cores
python benchmarks/speed.py --clustpy PYTHON     with ClustPy's VaDE, by the Python of an environment that has it

Every configuration is timed once a round in a process of its own, one after the other, so that a machine whose speed
drifts hurts all alike and no configuration lives with what another left behind; the table gives the medians over the
rounds, as seconds for MNIST's 70,000 rows, and the processor time beside it, which a machine that lends its cores to
others disturbs less. "plain Keras" is what a reader of the Keras guide would write: an autoencoder of the same shape,
`compile("adam", "binary_crossentropy")`, `fit(x, x)` on float32 arrays. Our phases run as train.py runs them: bytes in,
in the VaDE phase with augmentation and group hints, without the evaluation and the checkpoint of an epoch's end. That
phase is timed without augmentation, too, which neither plain Keras nor ClustPy has. The share of the
peak is that of a large matrix product (2,048 cubed) timed in the same processes, in the precision of the row. ClustPy's
VaDE (PyTorch, float32, the same widths) has a process a round, too. Results go to
benchmarks/results/speed.csv.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import frame
import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import observations, pipeline
from vade_tf.model import networks
from vade_tf.model.networks import FusedAdam
from vade_tf.training import autoencoder, build, choice, device, loop
from vade_tf.training.settings import Settings

UNMOVED = "fit without augmentation"
RESULTS = frame.RESULTS / "speed.csv"
MNIST_ROWS = 70_000
SIDE = 2048  # of the matrices whose product gives the peak
COLUMNS = (
    "what", "batch", "precision", "epoch_seconds", "rows_per_second", "times_plain_keras", "share_of_peak",
    "cpu_seconds", "times_plain_keras_cpu",
)  # fmt: skip


def keras_fit(rows: int, batch_size: int):
    """Plain Keras: returns a function that trains one epoch."""
    x = np.random.default_rng(0).random((rows, 784), dtype=np.float32)
    layers = [keras.layers.Dense(width, activation="relu") for width in networks.HIDDEN]
    layers += [keras.layers.Dense(10)]
    layers += [keras.layers.Dense(width, activation="relu") for width in reversed(networks.HIDDEN)]
    model = keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(784, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return lambda: model.fit(x, x, batch_size=batch_size, epochs=1, verbose=0)


def our_phase(phase: str, rows: int, batch_size: int, precision: str):
    """A phase of train.py: returns a function that trains one epoch."""
    raw = np.random.default_rng(0).integers(0, 256, (rows, 28, 28)).astype(np.uint8)
    dataset = observations.build(raw, None, "random", "random")
    settings = Settings(clusters=10, batch_size=batch_size, hidden=networks.HIDDEN).resolve(rows)
    model = build.build_model(dataset, choice.choose(dataset, settings), settings, precision)
    hints = None
    if phase == "pretrain":
        trained = autoencoder.build_autoencoder(model)
        trained.compile(FusedAdam(1e-4), loss=autoencoder.reconstruction_loss(model))
    else:
        trained, hints = model, np.arange(rows, dtype=np.int32) % 10
        trained.compile(FusedAdam(1e-4))
    moved = pipeline.Augmentation((28, 28)) if phase == "fit" else None
    batches = pipeline.training_batches(
        dataset.x, batch_size, 0, range(1), beside=[] if hints is None else [hints], augmentation=moved
    )
    if phase == "pretrain":
        batches = batches.map(lambda x: (x, x))
    more = {} if hints is None else {"hints": True}
    steps = pipeline.steps_per_epoch(rows, batch_size)

    def epoch() -> None:
        with loop.several_at_once(trained, steps, []):
            trained.fit(batches, **more, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)

    return epoch


def peak(dtype) -> float:
    """TFLOP/s of a large matrix product."""
    a = tf.cast(tf.random.normal((SIDE, SIDE)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.linalg.matmul(a, a)))
    product()
    begun = time.perf_counter()
    for _ in range(8):
        product()
    return 8 * 2 * SIDE**3 / (time.perf_counter() - begun) / 1e12


def measure(what: str, batch_size: int, precision: str, rows: int) -> dict:
    """One configuration in this process: seconds of a warm epoch, and the peak of its precision right after."""
    epoch = keras_fit(rows, batch_size) if what == "plain Keras" else our_phase(what, rows, batch_size, precision)
    epoch()  # tracing and warm-up
    begun, begun_cpu = time.perf_counter(), time.process_time()
    epoch()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    return {"seconds": seconds, "cpu": cpu, "peak": peak(tf.float32 if precision == "float32" else tf.bfloat16)}


def rounds(options) -> dict[tuple, list[dict]]:
    """Seconds, processor seconds and peak of every configuration, once a round."""
    jobs: list[tuple] = [("plain Keras", batch, "float32") for batch in (256, 1024)]
    jobs += itertools.product(("pretrain", "fit"), (256, 1024, 4096), ("float32", "mixed_bfloat16"))
    jobs += itertools.product((UNMOVED,), (256, 4096), ("float32", "mixed_bfloat16"))
    found: dict[tuple, list[dict]] = {job: [] for job in jobs}
    for _ in range(options.rounds):
        if options.clustpy:
            script = Path(__file__).with_name("clustpy_elsewhere.py")
            for phase, result in last_line(options.clustpy, script, "speed", options.rows, 256).items():
                found.setdefault((f"ClustPy {phase}", 256, "float32"), []).append(result)
        for job in jobs:
            found[job].append(last_line(sys.executable, __file__, "--rows", options.rows, "--one", *job))
    return found


def last_line(*command) -> dict:
    """The JSON that a command prints at the end."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=21_000, help="rows of the timed epoch (default: 21000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clustpy", help="the Python of an environment with clustpy")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "BATCH", "PRECISION"), help="measure one, print JSON")
    options = parser.parse_args()
    if options.one:
        what, batch_size, precision = options.one
        print(json.dumps(measure(what, int(batch_size), precision, options.rows)))
        return
    found = rounds(options)
    scale = MNIST_ROWS / options.rows
    seconds = {job: scale * statistics.median(each["seconds"] for each in found[job]) for job in found}
    cpu = {job: scale * statistics.median(each["cpu"] for each in found[job]) for job in found}
    peaks = {
        precision: statistics.median(
            each["peak"] for job in found for each in found[job] if job[2] == precision and "peak" in each
        )
        for precision in ("float32", "mixed_bfloat16")
    }
    weights = sum(a * b for a, b in zip((784, 500, 500, 2000), (500, 500, 2000, 10), strict=True))
    tflop = MNIST_ROWS * 2 * 3 * 2 * weights / 1e12  # encoder and decoder; forward, and twice that for the gradients
    plain = ("plain Keras", 256, "float32")
    table = []
    for job in found:
        figures = (
            round(seconds[job], 2),
            round(MNIST_ROWS / seconds[job]),
            round(seconds[plain] / seconds[job], 2),
            round(tflop / seconds[job] / peaks[job[2]], 2),
            round(cpu[job], 2),
            round(cpu[plain] / cpu[job], 2),
        )
        table.append(dict(zip(COLUMNS, (*job, *figures), strict=True)))
        print(*table[-1].values(), sep="\t")
    about = (
        f"{device.describe()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}; matrix product peak "
        f"{peaks['float32']:.2f} TFLOP/s float32, {peaks['mixed_bfloat16']:.2f} bfloat16"
    )
    more = "" if options.clustpy is None else " --clustpy PYTHON"
    command = f"python benchmarks/speed.py --rows {options.rows} --rounds {options.rounds}{more}"
    frame.write(table, RESULTS, COLUMNS, command, about)


if __name__ == "__main__":
    main()
