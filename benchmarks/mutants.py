"""Do the tests notice? Small faults are put into the code one at a time, and each meets the tests of its module.

python benchmarks/mutants.py                   tests the faults that results/mutants.csv does not hold yet
python benchmarks/mutants.py --table           prints how many were noticed, and those that were not
python benchmarks/mutants.py --find            prints the module and the test file of every fault; tests nothing

A fault is a line of `EDITS`: a text that stands once in the package, and what it becomes. The tests of
vade_tf/ROOM/MODULE.py are tests/ROOM/test_MODULE.py; where that file is not there, those of the room. The package, its
tests and benchmarks/ are copied to a temporary folder, and the copy is edited. A test that fails, or takes ten times as
long as usual, has noticed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import frame

RESULTS = frame.RESULTS / "mutants.csv"
KEY = ("original", "mutated")
COLUMNS = ("file", *KEY, "outcome", "test", "seconds", "commit")
LIMIT_SECONDS = 900  # of the tests of one fault
EDITS: tuple[tuple[str, str], ...] = (
    ("LOG_2PI = math.log(2.0 * math.pi)", "LOG_2PI = math.log(3.0 * math.pi)"),
    (
        "tf.nn.log_softmax(log_pi + log_normal(z, mu, log_sigma2), axis=-1)",
        "tf.nn.log_softmax(log_normal(z, mu, log_sigma2), axis=-1)",
    ),
    ("tf.reduce_logsumexp(log_gamma, axis=1) - math.log(len(draws))", "tf.reduce_logsumexp(log_gamma, axis=1)"),
    ("tf.exp(log_gamma) * (log_gamma - log_pi)", "tf.exp(log_gamma) * (log_gamma + log_pi)"),
    ("log_sigma2 - log_s2 + ratio - 1.0", "log_sigma2 - log_s2 + ratio"),
    ("return -tf.reduce_sum(P * log_gamma, axis=-1)", "return -tf.reduce_mean(P * log_gamma, axis=-1)"),
    ("half = math.sqrt(latent) * np.linalg.qr", "half = math.sqrt(latent + 1) * np.linalg.qr"),
    ("2 * tf.matmul(m, mu * precision", "tf.matmul(m, mu * precision"),
    (
        "log_pi = tf.nn.log_softmax(tf.convert_to_tensor(self.pi_logits))",
        "log_pi = tf.convert_to_tensor(self.pi_logits)",
    ),
    ("tf.exp(0.5 * tf.gather(log_sigma2, clusters)) * noise", "tf.exp(tf.gather(log_sigma2, clusters)) * noise"),
    ("self.log_sigma2.assign(np.log(sigma2))", "self.log_sigma2.assign(sigma2)"),
    (
        "0.5 * tf.reduce_sum((x - parameters) ** 2 * tf.exp(-log_sigma2) + log_sigma2 + LOG_2PI",
        "0.5 * tf.reduce_sum((x - parameters) ** 2 * tf.exp(-log_sigma2) + LOG_2PI",
    ),
    ("tf.reduce_mean(error) * tf.ones_like(error) if self.shared else error", "error"),
    (
        "tf.reduce_mean(mean**2, axis=0)",
        "tf.reduce_mean(mean, axis=0)",
    ),
    ("lost = tfp.math.log_add_exp(tf.math.log_sigmoid(phi), log_nb)", "lost = tf.math.log_sigmoid(phi)"),
    ("keras.ops.log1p(x * size", "keras.ops.log1p(x"),
    ("step = tf.cast(self.iterations + 1, tf.float32)", "step = tf.cast(self.iterations + 2, tf.float32)"),
    ('covariance_type="tied", reg_covar=RIDGE', 'covariance_type="full", reg_covar=RIDGE'),
    (
        "sigma2 = (weighted.T @ z**2) / np.maximum(weight, 1e-12)[:, None] - mu**2",
        "sigma2 = (weighted.T @ z**2) / np.maximum(weight, 1e-12)[:, None]",
    ),
    ("return P / len(spaces)", "return P"),
    ("N_NEIGHBOURS = 20", "N_NEIGHBOURS = 1"),
    ("order = np.argsort(spectral.naming(", "order = np.asarray(spectral.naming("),
    ("weight = np.exp(-2 * (distance[:, :-1] / width) ** 2)", "weight = np.exp(2 * (distance[:, :-1] / width) ** 2)"),
    ("embedding = ties @ (vectors * np.maximum(values, 0) ** 4)", "embedding = ties @ vectors[:, :1]"),
    ("return vote([*draws, *more], n_clusters)", "return draws[0]"),
    ("counts[linear_sum_assignment(counts, maximize=True)].sum()", "counts.max(axis=1).sum()"),
    ("np.ceil(confidence * n_bins).astype(int) - 1", "np.floor(confidence * n_bins).astype(int)"),
    ("np.flatnonzero(strength >= MIN_STRENGTH)[-1]", "np.flatnonzero(strength >= MIN_STRENGTH)[0]"),
    ("(ari.sum(axis=1) - 1) / (len(ari) - 1)", "ari.sum(axis=1) / (len(ari) - 1)"),
    (
        "np.sort(generator(seed, *path).choice(n, size, replace=False))",
        "np.sort(generator(seed).choice(n, size, replace=False))",
    ),
    ("weight = q.astype(np.float64) ** 2 / q.sum(axis=0", "weight = q.astype(np.float64) / q.sum(axis=0"),
    ("GAMMA * keras.losses.kl_divergence(p, q)", "keras.losses.kl_divergence(p, q)"),
    ("u = u[tf.cast(number, tf.int32) * size :][:size]", "u = u[:size]"),
    (
        "moved = tf.cast(tf.clip_by_value(tf.round(moved), 0, 255), tf.uint8)",
        "moved = tf.cast(tf.clip_by_value(moved, 0, 255), tf.uint8)",
    ),
)


def module_of(original: str) -> Path:
    """The one module of the package that holds this text once, below the root."""
    found = {path: path.read_text().count(original) for path in sorted((frame.ROOT / "vade_tf").rglob("*.py"))}
    places = [path for path, count in found.items() if count]
    if [found[path] for path in places] != [1]:
        raise ValueError(f"{original!r}: expected one place in vade_tf, got {[str(path) for path in places]}")
    return places[0].relative_to(frame.ROOT)


def tests_of(module: Path) -> list[str]:
    """The test file of a module, or all of its room."""
    room = Path("tests", *module.parts[1:-1])
    mirrored = room / f"test_{module.name}"
    if (frame.ROOT / mirrored).exists():
        return [str(mirrored)]
    return [str(file.relative_to(frame.ROOT)) for file in sorted((frame.ROOT / room).glob("test_*.py"))] or ["tests"]


def tested(copy: Path, original: str, mutated: str) -> list[dict]:
    """The row of a fault: "noticed" with the first test that fails, or "not noticed"."""
    module = module_of(original)
    edited = copy / module
    kept, begun = edited.read_text(), time.perf_counter()
    edited.write_text(kept.replace(original, mutated))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests_of(module)]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        test = failed[0].split(" - ")[0].split(" ", 1)[1] if failed else ""
        outcome = "noticed" if done.returncode else "not noticed"
    except subprocess.TimeoutExpired:
        outcome, test = "noticed", "took too long"
    finally:
        edited.write_text(kept)
    seconds = f"{time.perf_counter() - begun:.1f}"
    return [dict(zip(COLUMNS, (module, original, mutated, outcome, test, seconds, frame.commit()), strict=True))]


def jobs(copy: Path) -> Iterator[tuple[Callable[[], list[dict]], set]]:
    for original, mutated in EDITS:
        yield lambda original=original, mutated=mutated: tested(copy, original, mutated), {(original, mutated)}


def table() -> str:
    """A line a module in Markdown: faults, and how many were noticed; then those that were not."""
    rows = [row for row in frame.read(RESULTS) if (row["original"], row["mutated"]) in EDITS]
    lines = ["| module | faults | noticed |", "|---|---|---|"]
    for file in sorted({row["file"] for row in rows}):
        own = [row["outcome"] == "noticed" for row in rows if row["file"] == file]
        lines.append(f"| {file} | {len(own)} | {sum(own)} |")
    lines.append(f"| all | {len(rows)} | {sum(row['outcome'] == 'noticed' for row in rows)} |")
    left = [row for row in rows if row["outcome"] != "noticed"]
    return "\n".join([*lines, *(f"\n{row['file']}\n- {row['original']}\n+ {row['mutated']}" for row in left)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--find", action="store_true", help="print where every fault goes and test nothing")
    parser.add_argument("--table", action="store_true", help="print the table and test nothing")
    options = parser.parse_args()
    if options.find:
        for original, mutated in EDITS:
            module = module_of(original)
            print(f"{module}, {', '.join(tests_of(module))}: {original} -> {mutated}")
        return
    if not options.table:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("vade_tf", "tests", "benchmarks", "docs"):
                shutil.copytree(frame.ROOT / name, Path(folder) / name)
            shutil.copy(frame.ROOT / "pyproject.toml", folder)
            done = frame.measured(RESULTS, KEY, "outcome")
            frame.measure(jobs(Path(folder)), done, RESULTS, COLUMNS, "python benchmarks/mutants.py")
    print(table())


if __name__ == "__main__":
    main()
