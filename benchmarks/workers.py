"""Two workers on one machine over rows that stay in their file: how much memory, how long, and what a kill costs.

python benchmarks/workers.py /big/folder                  10^8 x 32 uint8 rows, 3.2 GB of disk, two runs
python benchmarks/workers.py /big/folder --rows 1000000   a quick look

Makes rows.npy in the folder, unless it is there, and trains on it by `--distribute multiworker` with two processes of
one thread each, one pass over the rows in each phase, groups and assignments.csv included. Each process is told that
the machine has as much memory as the file is long, so that the rows stay where they are. A first pair ends
undisturbed; of a second pair the worker that is not the chief is killed in the middle of VaDE's pass, and both are
started again with --resume. Prints for each process the peak of its resident memory (ru_maxrss, Python and TensorFlow
included) and its seconds, how soon the chief had noticed the kill, and whether both runs end with equal weights.
Writes benchmarks/results/workers_ROWS.csv.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import csv_rows
import here
import numpy as np
from peak_memory import peak

RESULTS = here.RESULTS
FEATURES, GROUPS, PART, BATCH = 32, 10, 1_000_000, 4096
LIMIT = 2048  # MiB a worker
COLUMNS = ("run", "worker", "rows", "exit", "peak_mib", "seconds", "pretrain_seconds", "fit_seconds")


def make(folder: Path, n: int) -> Path:
    """The rows, a part after the other: bytes around the centre of a group."""
    file = folder / f"{n}-rows.npy"
    if file.exists():
        return file
    centres = np.random.default_rng(0).integers(60, 196, (GROUPS, FEATURES))
    with file.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (n, FEATURES)})
        for number, start in enumerate(range(0, n, PART)):
            r = np.random.default_rng((1, number))
            noise = r.integers(-59, 60, (min(PART, n - start), FEATURES))
            out.write((centres[r.integers(0, GROUPS, len(noise))] + noise).astype("u1").data)
    return file


def child(data: str, out: str, hidden: str, memory: int, killed_at: int, again: bool) -> None:
    """One worker in this process; prints what it took as JSON."""
    from vade_tf import machine

    machine.memory = lambda: memory  # before others import it
    import keras

    from vade_tf.errors import ClusterError
    from vade_tf.runs.config import TrainConfig
    from vade_tf.runs.train import resume, train

    class Times(keras.callbacks.Callback):
        """Seconds of the pass of each phase, and the end of this process in the middle of VaDE's."""

        def __init__(self):
            super().__init__()
            self.seconds: dict[str, float] = {}

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            if self.model.name != "autoencoder" and killed_at and batch >= killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def on_epoch_end(self, epoch, logs=None):
            phase = "pretrain" if self.model.name == "autoencoder" else "fit"
            self.seconds[phase] = time.perf_counter() - self.begun
            print(f"{phase}: {self.seconds[phase]:.0f} s, peak {peak():,.0f} MiB", file=sys.stderr, flush=True)

    times, begun, code = Times(), time.perf_counter(), 0
    try:
        if again:
            resume(out, extra=[times], export=False)
        else:
            lengths = {"pretrain_epochs": 1, "epochs": 1, "guide_epochs": 1, "regroups": 0, "batch_size": BATCH}
            networks = {"hidden": hidden, "precision": "float32"}
            config = TrainConfig(data=data, clusters=GROUPS, distribute="multiworker", **networks, **lengths)
            train(config, out, extra=[times], export=False)
    except ClusterError:
        code = 75
    took = {"peak": peak(), "seconds": time.perf_counter() - begun, "phases": times.seconds}
    print("\n" + json.dumps(took), flush=True)
    os._exit(code)  # whatever other threads wait for


def configs() -> list[str]:
    """TF_CONFIG of a chief and of a worker beside it, at free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}} for index in range(2)]
    return [json.dumps(task) for task in tasks]


def pair(run: str, data: Path, out: Path, options, *, kill: bool = False, again: bool = False) -> list[dict]:
    """Chief and worker, side by side until both have ended: a row of the table each."""
    workers = []
    for index, config in enumerate(configs()):
        killed_at = options.rows // BATCH // 2 if kill and index else 0
        words = [data, out, options.hidden, FEATURES * options.rows, killed_at, int(again)]
        one = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {**os.environ, **one, "TF_CONFIG": config}
        command = [sys.executable, __file__, "--child", *map(str, words)]
        workers.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    rows = []
    for index in (1, 0):  # the one that may be killed first
        said, code = workers[index].communicate()[0], workers[index].returncode
        ended = time.monotonic()
        if code == -signal.SIGKILL:
            killed, found = ended, {}  # it can tell nothing
        elif code in (0, 75):
            found = json.loads(said.splitlines()[-1])
        else:
            raise SystemExit(f"{run}: worker {index} ended with code {code}")
        if kill and code == 75:
            print(f"the chief ended {ended - killed:.0f} s after the kill")
        row = {"run": run, "worker": index, "rows": options.rows, "exit": code}
        if found:
            row |= {"peak_mib": round(found["peak"]), "seconds": round(found["seconds"])}
            row |= {f"{phase}_seconds": round(seconds) for phase, seconds in found["phases"].items()}
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        rows.append(row)
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        data, out, hidden, *numbers = sys.argv[2:]
        return child(data, out, hidden, *map(int, numbers))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the file goes, and stays")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--hidden", default="32,32", help="a small network reads the most (default: 32,32)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    data, runs = make(options.folder, options.rows), options.folder / f"runs-{os.getpid()}"
    runs.mkdir()
    command = f"python benchmarks/workers.py FOLDER --rows {options.rows}"
    command += "" if options.hidden == parser.get_default("hidden") else f" --hidden {options.hidden}"
    table = []
    for run, out, more in (
        ("whole", "whole", {}),
        ("killed", "cut", {"kill": True}),
        ("continued", "cut", {"again": True}),
    ):
        table += pair(run, data, runs / out, options, **more)
        csv_rows.write(table, RESULTS / f"workers_{options.rows}.csv", COLUMNS, command)
    import vade_tf

    one, other = (vade_tf.load(runs / name).get_weights() for name in ("whole", "cut"))
    equal = all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    print(f"weights of both runs: {'equal' if equal else 'NOT equal'}")
    most = max(row.get("peak_mib", 0) for row in table)
    print(f"peak {most:,} MiB, below {LIMIT:,}: {'yes' if most < LIMIT else 'no'}")
    shutil.rmtree(runs)


if __name__ == "__main__":
    main()
