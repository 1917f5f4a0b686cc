"""How fast are the two phases, beside plain Keras, on this machine?

python benchmarks/speed.py                      all configurations, 70,000 rows, 3 rounds: about 6 minutes on 2 cores
python benchmarks/speed.py --rows 14000         a quick look

Every configuration is timed once a round, one after the other, so that a machine whose speed drifts hurts all alike;
the table gives the medians over the rounds. "plain Keras" is what a reader of the Keras guide would write: an
autoencoder of the same shape, `compile("adam", "binary_crossentropy")`, `fit(x, x)` on float32 arrays. Our phases run
as train.py runs them: bytes in, in the VaDE phase with augmentation and group hints, without the evaluation and the
checkpoint of an epoch's end. The share of the peak is that of a large matrix product (2,048 cubed) timed in the same
run, in the precision of the row. Results go to benchmarks/results/speed.csv.
"""

import argparse
import csv
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from vade_tf import device, networks, phases, training
from vade_tf.config import TrainConfig
from vade_tf.data import pipeline
from vade_tf.data.dataset import build
from vade_tf.optimizer import FusedAdam

RESULTS = Path(__file__).parent / "results" / "speed.csv"
SIDE = 2048  # of the matrices whose product gives the peak


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
    dataset = build(raw, None, "random", "random")
    config = TrainConfig.create(clusters=10, batch_size=batch_size)
    model = training.build_model(config, dataset, precision)
    hints = None
    if phase == "pretrain":
        trained = phases.build_autoencoder(model)
        trained.compile(FusedAdam(1e-4), loss=phases.reconstruction_loss(model))
    else:
        trained, hints = model, np.arange(rows, dtype=np.int32) % 10
        trained.compile(FusedAdam(1e-4))
    steps = pipeline.steps_per_epoch(rows, batch_size)

    def epoch():
        if phase == "pretrain":
            batches = pipeline.training_batches(dataset.x, batch_size, 0, range(1)).map(lambda x: (x, x))
        else:
            batches = pipeline.training_batches(dataset.x, batch_size, 0, range(1), hints=hints, image_shape=(28, 28))
        trained.fit(batches, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=70_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    auto = device.resolve_precision("auto")
    precisions = ("float32", "mixed_bfloat16")
    jobs = {("plain Keras", batch, "float32"): keras_fit(arguments.rows, batch) for batch in (256, 1024)}
    for phase in ("pretrain", "fit"):
        for batch in (256, 1024):
            for precision in precisions:
                jobs[phase, batch, precision] = our_phase(phase, arguments.rows, batch, precision)
    for epoch in jobs.values():
        epoch()  # tracing and warm-up
    times: dict = {key: [] for key in jobs}
    peaks: dict = {precision: [] for precision in precisions}
    for _ in range(arguments.rounds):
        for key, epoch in jobs.items():
            begun = time.perf_counter()
            epoch()
            times[key].append(time.perf_counter() - begun)
        for precision in precisions:
            peaks[precision].append(peak(tf.float32 if precision == "float32" else tf.bfloat16))

    weights = sum(a * b for a, b in zip((784, 500, 500, 2000), (500, 500, 2000, 10), strict=True))
    flop = arguments.rows * 2 * 3 * 2 * weights  # encoder and decoder; forward, and twice that for the gradients
    medians = {key: statistics.median(values) for key, values in times.items()}
    top = {precision: statistics.median(values) for precision, values in peaks.items()}
    base = medians["plain Keras", 256, "float32"]
    header = ("what", "batch", "precision", "epoch_seconds", "rows_per_second", "times_plain_keras", "share_of_peak")
    table = [
        (
            *key,
            round(seconds, 2),
            round(arguments.rows / seconds),
            round(base / seconds, 2),
            round(flop / seconds / 1e12 / top[key[2]], 2),
        )
        for key, seconds in medians.items()
    ]
    print(f"{device.describe()}; matrix product peak: {top['float32']:.2f} TFLOP/s float32, ", end="")
    print(f"{top['mixed_bfloat16']:.2f} bfloat16; --precision auto is {auto}; times plain Keras at batch 256\n")
    for row in (header, *table):
        print("{:<12} {:>6} {:<15} {:>14} {:>16} {:>18} {:>14}".format(*map(str, row)))
    with RESULTS.open("w", newline="") as file:
        file.write(f"# python benchmarks/speed.py --rows {arguments.rows} --rounds {arguments.rounds}\n")
        file.write(f"# {device.describe()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}; peak TFLOP/s: {top}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(table)


if __name__ == "__main__":
    main()
