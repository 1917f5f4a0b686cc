"""How fast is an epoch on this GPU? One command for somebody who has one; without one it measures the CPU.

python benchmarks/gpu.py                        MNIST's 70,000 rows
python benchmarks/gpu.py --rows 7000 --batches 256 1024

Prints the device, precision and XLA as a fit would choose them, and of a warm epoch of each phase at several batch
sizes the seconds, as for 70,000 rows, and those of the processor, which a machine that lends its cores to others
disturbs less; beside them the figures of other devices from the table, measured by this command. The rows are random
bytes in the shape of MNIST: how long a step takes does not depend on what the pictures show. The phases are those of
benchmarks/speed.py. Results go to benchmarks/results/gpu.csv, where the rows of this device replace those it had.
"""

import argparse
import time

import csv_rows
import here
import speed

from vade_tf.training import device
from vade_tf.training.settings import PRECISIONS

RESULTS = here.RESULTS / "gpu.csv"
COLUMNS = ("device", "phase", "batch", "precision", "jit", "rows", "epoch_seconds", "cpu_seconds")
BATCHES = (256, 1024, 4096, 16_384)


def seconds(phase: str, batch_size: int, precision: str, jit: bool, rows: int) -> tuple[float, float]:
    """Seconds of a warm epoch and of the processor in it, as for MNIST's 70,000 rows."""
    epoch = speed.our_phase(phase, rows, batch_size, precision, jit)
    epoch()  # tracing, compilation and warm-up
    begun, begun_cpu = time.perf_counter(), time.process_time()
    epoch()
    share = speed.MNIST_ROWS / rows
    return (time.perf_counter() - begun) * share, (time.process_time() - begun_cpu) * share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=speed.MNIST_ROWS, help="rows of an epoch (default: 70000)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="rows a step (default: 256 to 16384)")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--jit", default="auto", choices=("auto", "on", "off"))
    options = parser.parse_args()
    name, precision = device.describe(), device.resolve_precision(options.precision)
    jit = device.resolve_jit(options.jit)
    print(f"{name}; precision {precision}, XLA {'on' if jit else 'off'}; seconds an epoch of 70,000 rows")
    mine, others = [], [row for row in csv_rows.read(RESULTS) if row["device"] != name]
    for phase in ("pretrain", "fit"):
        for batch in options.batches:
            found, cpu = seconds(phase, batch, precision, jit, options.rows)
            values = (name, phase, batch, precision, jit, options.rows, f"{found:.2f}", f"{cpu:.2f}")
            mine.append(dict(zip(COLUMNS, values, strict=True)))
            print(f"{phase:<10} batch {batch:>6}  {found:8.2f} s, {cpu:8.2f} s of the processor", flush=True)
            for row in others:
                if (row["phase"], row["batch"]) == (phase, str(batch)):
                    beside = "{epoch_seconds:>8} s, {cpu_seconds:>8} s on {device} ({precision})".format(**row)
                    print(f"{'':>24}  {beside}")
    csv_rows.write([*others, *mine], RESULTS, COLUMNS, "python benchmarks/gpu.py")


if __name__ == "__main__":
    main()
