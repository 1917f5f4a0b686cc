"""What do two devices cost on one processor? Seconds of an epoch: one device, two logical CPUs, two processes.

python benchmarks/distribute.py                                        about 3 minutes on 2 cores
python benchmarks/distribute.py --accuracy --data-dir FOLDER --seeds 1  whole fits of MNIST, about 10 minutes a seed

Each is a fit of two epochs a phase to random images in the shape of MNIST, in processes of its own and in turn; the
figure is the median over the rounds of the second epoch, as the history has it, as seconds for 70,000 rows. All of
them share the same cores, so none can be faster than one device by much: the table says what the sharing costs.
Results go to benchmarks/results/distribute.csv.

With --accuracy one process and two fit all of MNIST by default settings but for self-training, which several devices do
without; batches have the same rows, and rounding alone differs. Results go to benchmarks/results/distribute_mnist.csv
as they come, and are added to what is there.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import csv_rows
import here
import workers

RESULTS = here.RESULTS / "distribute.csv"
WAYS = {"one device": "none", "two logical CPUs": "mirrored", "two processes": "multiworker"}
PHASES = ("pretrain", "fit")
COMMAND = "python benchmarks/distribute.py --accuracy --data-dir FOLDER"


def measure(distribute: str, rows: int, batch_size: int) -> dict[str, float]:
    """Seconds of the second epoch of each phase, in this process."""
    import numpy as np
    import tensorflow as tf

    if distribute == "mirrored":
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    import vade_tf

    x = np.random.default_rng(0).integers(0, 256, (rows, 28, 28)).astype(np.uint8)
    settings = vade_tf.Settings(
        clusters=10,
        batch_size=batch_size,
        pretrain_epochs=2,
        epochs=2,
        init="kmeans",
        regroups=0,
        distribute=distribute,
        network="dense",  # as all of MNIST has
        validation_rows=0,
    )
    history = vade_tf.fit(x, settings).history
    return {row["phase"]: 70_000 / rows * row["seconds"] for row in history if row["epoch"] == 2}


def accuracy(distribute: str, data_dir: str, seed: int) -> dict[str, float]:
    """ACC, NMI, ARI and seconds of a whole fit of MNIST, in this process."""
    import numpy as np

    import vade_tf
    from vade_tf import metrics
    from vade_tf.data import pipeline
    from vade_tf.data.images import load_mnist

    data = load_mnist(data_dir, require_full=True)
    begun = time.perf_counter()
    settings = vade_tf.Settings(clusters=10, seed=seed, self_train_epochs=0, distribute=distribute)
    model = vade_tf.fit(data.observations(), settings).model
    seconds = time.perf_counter() - begun
    groups = np.concatenate([model.prior(model.encode(x)[0]).numpy().argmax(axis=1) for x in pipeline.blocks(data.x)])
    found = {name: round(value, 4) for name, value in metrics.scores(data.y, groups).items()}
    return {**found, "seconds": round(seconds, 1)}


def run(distribute: str, arguments: list[str]) -> dict[str, float]:
    """The same in fresh processes."""
    one = [sys.executable, __file__, *arguments, "--one", distribute]
    places = [dict(os.environ)]
    if distribute == "multiworker":
        places = [{**os.environ, "TF_CONFIG": config} for config in workers.configs()]
    begun = [subprocess.Popen(one, env=place, stdout=subprocess.PIPE, text=True) for place in places]
    said = [process.communicate()[0] for process in begun]
    assert not any(process.returncode for process in begun)
    return json.loads(said[0].splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7000, help="rows of an epoch (default: 7000)")
    parser.add_argument("--batch", type=int, default=256, help="rows of a step (default: 256)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accuracy", action="store_true", help="whole fits of MNIST instead")
    parser.add_argument("--data-dir", help="folder of all of MNIST")
    parser.add_argument("--seeds", type=int, default=1, help="of --accuracy: seeds 0, 1, ... (default: 1)")
    parser.add_argument("--seed", type=int, help="of the one that is measured in this process")
    parser.add_argument("--one", choices=WAYS.values(), help="measure one in this process, print JSON")
    options = parser.parse_args()
    if options.one:
        whole = options.accuracy and accuracy(options.one, options.data_dir, options.seed)
        print(json.dumps(whole or measure(options.one, options.rows, options.batch)))
        return
    if options.accuracy:
        if options.data_dir is None:
            parser.error("--data-dir: expected the folder of all of MNIST, got none")
        for seed in range(options.seeds):
            for way in ("one device", "two processes"):
                more = ["--accuracy", "--data-dir", options.data_dir, "--seed", str(seed)]
                row = {"way": way, "seed": seed, **run(WAYS[way], more)}
                csv_rows.append([row], RESULTS.with_name("distribute_mnist.csv"), row, COMMAND)
                print(*row.values(), flush=True)
        return
    found: dict[str, list] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, distribute in WAYS.items():
            found[way].append(run(distribute, ["--rows", str(options.rows), "--batch", str(options.batch)]))
    table = [
        (way, phase, options.batch, f"{statistics.median(each[phase] for each in found[way]):.1f}")
        for way in WAYS
        for phase in PHASES
    ]
    command = f"python benchmarks/distribute.py --rows {options.rows} --batch {options.batch} --rounds {options.rounds}"
    columns = ("way", "phase", "batch", "epoch_seconds")
    rows = [dict(zip(columns, row, strict=True)) for row in table]
    csv_rows.write(rows, RESULTS, columns, command, f"{os.cpu_count()} cores")
    for row in table:
        print("{:<18} {:<10} batch {:>5}  {:>7} s".format(*row))


if __name__ == "__main__":
    main()
