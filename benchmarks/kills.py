"""What is left of a run after a kill, on a full disk, and where two processes want one folder.

python benchmarks/kills.py                  all three, into benchmarks/results/kills.csv
python benchmarks/kills.py --only kills --kills 50

kills: every system and every kind of study in turn is killed (SIGKILL) at a random moment and continued, or begun anew
where nothing was written; the weights at the end must be those of an undisturbed run, bit for bit.

disks (needs root, for a file system in memory): a disk too small for the run ends it in one line and exit code 2,
whatever file it is that finds no room; on a larger disk it is continued to the same weights.

writers: two processes begin one folder at the same time; one of them must train, the other must say so in a line.

A line of the table says what was done, when, and "equal" or what was wrong. Rows that are there already are not done
again.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import frame
import numpy as np

RESULTS = frame.RESULTS / "kills.csv"
KEY = ("test", "case", "number")
COLUMNS = (*KEY, "moment", "outcome")
SMALL = ["--clusters", "3", "--hidden", "16,8", "--pretrain-epochs", "3", "--epochs", "4", "--batch-size", "64"]
SYSTEMS = ("vade", "kmeans", "gmm", "ae_kmeans", "ae_gmm", "vae_gmm", "dec", "idec", "gmvae")
CASES = {
    **{name: [*SMALL, "--model", name] for name in SYSTEMS},
    "paper": [*SMALL, "--recipe", "paper"],
    "seeds": [*SMALL, "--seeds", "2"],
    "restarts": [*SMALL, "--restarts", "2"],
    "sweep": [*SMALL, "--clusters", "2:3"],
}
MEGABYTES = [0.02 * i for i in range(1, 17)]
Jobs = Iterator[tuple[Callable[[], list[dict]], set]]


def command(*flags: str) -> list[str]:
    return [sys.executable, str(frame.ROOT / "train.py"), *flags, "--quiet"]


def run(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(*flags), cwd=frame.ROOT, capture_output=True, text=True)


def weights(out: Path) -> dict[str, list[np.ndarray]]:
    """All weights of all finished models below a folder, by its path."""
    from vade_tf import load

    return {str(file.relative_to(out)): load(file).get_weights() for file in sorted(out.rglob("model.keras"))}


def difference(found: dict, expected: dict) -> str:
    """ "equal", or what is not."""
    if found.keys() != expected.keys():
        return f"models {sorted(found)} instead of {sorted(expected)}"
    for name, arrays in expected.items():
        if not all(np.array_equal(a, b) for a, b in zip(found[name], arrays, strict=True)):
            return f"other weights in {name}"
    return "equal"


def finished(flags: list[str], out: Path) -> str:
    """Continue what a folder holds, or begin anew; "" or what went wrong."""
    begun = any((out / name).exists() for name in ("config.json", "seeds.json", "restarts.json", "clusters.json"))
    ended = run("--resume", str(out)) if begun else run(*flags, "--out", str(out))
    over = "nothing is left to do" in ended.stderr  # the kill came after the last file
    left = [str(file) for file in out.rglob("*.unfinished")]
    return ended.stderr if ended.returncode and not over else f"left {left}" if left else ""


def row(test: str, case: str, number: int, moment: str, outcome: str) -> list[dict]:
    return [dict(zip(COLUMNS, (test, case, str(number), moment, outcome), strict=True))]


def undisturbed(case: str, data: list[str], folder: Path, known: dict) -> tuple[float, dict]:
    """Seconds and weights of a run of this case that nobody kills."""
    if case not in known:
        begun = time.monotonic()
        ended = run(*data, *CASES[case], "--out", str(folder / case))
        assert ended.returncode == 0, ended.stderr
        known[case] = time.monotonic() - begun, weights(folder / case)
    return known[case]


def kills(data: list[str], folder: Path, number: int) -> Jobs:
    known: dict = {}
    for i in range(number):
        case = list(CASES)[i % len(CASES)]

        def job(i=i, case=case) -> list[dict]:
            flags = [*data, *CASES[case]]
            seconds, expected = undisturbed(case, data, folder, known)
            out, moment = folder / f"{case}-{i}", random.Random(i).uniform(0.3, 1.0)
            with subprocess.Popen(
                command(*flags, "--out", str(out)), cwd=frame.ROOT, stderr=subprocess.DEVNULL
            ) as running:
                try:
                    running.wait(moment * seconds)
                except subprocess.TimeoutExpired:
                    running.send_signal(signal.SIGKILL)
            return row("kill", case, i, f"{moment:.0%}", finished(flags, out) or difference(weights(out), expected))

        yield job, {("kill", case, str(i))}


def disks(data: list[str], folder: Path) -> Jobs:
    flags, disk, known = [*data, *SMALL], folder / "disk", {}
    for i, size in enumerate(MEGABYTES):

        def job(i=i, size=size) -> list[dict]:
            expected = undisturbed("vade", data, folder, known)[1]
            disk.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(size * 2**20)}", "tmpfs", str(disk)], check=True)
            try:
                ended = run(*flags, "--out", str(disk / "run"))
                lines = ended.stderr.splitlines()
                if ended.returncode == 0:
                    outcome = "had room"
                elif ended.returncode != 2 or len(lines) != 1 or list(disk.rglob("*.unfinished")):
                    outcome = f"exit {ended.returncode}: {ended.stderr}"
                else:
                    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
                    outcome = finished(flags, disk / "run") or difference(weights(disk / "run"), expected)
                return row("disk", "vade", i, f"{size:.2f} MB", outcome)
            finally:
                subprocess.run(["umount", str(disk)], check=True)

        yield job, {("disk", "vade", str(i))}


def writers(data: list[str], folder: Path, number: int = 5) -> Jobs:
    for i in range(number):

        def job(i=i) -> list[dict]:
            out = folder / f"both-{i}"
            begin = command(*data, *SMALL, "--out", str(out))
            both = [subprocess.Popen(begin, cwd=frame.ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
            said = [process.communicate()[1] for process in both]
            codes = sorted(process.returncode for process in both)
            one = codes == [0, 2] and (out / "metrics.json").exists() and sum(len(s.splitlines()) for s in said) == 1
            return row("writers", "vade", i, "at once", "one trained, one was told" if one else f"{codes}: {said}")

        yield job, {("writers", "vade", str(i))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("kills", "disks", "writers"))
    parser.add_argument("--kills", type=int, default=26)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(300, 6)).astype("f4"))
    data = ["--data", str(folder / "x.npy")]
    tests = {"writers": writers(data, folder), "kills": kills(data, folder, options.kills)}
    if os.geteuid() == 0:
        tests["disks"] = disks(data, folder)
    try:
        for name, jobs in tests.items():
            if options.only in (None, name):
                frame.measure(
                    jobs, frame.measured(RESULTS, KEY, "outcome"), RESULTS, COLUMNS, "python benchmarks/kills.py"
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
