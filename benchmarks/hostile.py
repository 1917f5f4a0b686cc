"""200 short fits over hostile data and settings: each has to fit with finite figures, or to stop with a reason.

python benchmarks/hostile.py                           all cases that benchmarks/results/hostile.csv does not hold yet
python benchmarks/hostile.py --cases 17 42             these, whatever it holds

Case i is a pure function of i. The networks have the paper's layers at a tenth of their width: what can go wrong with
numbers goes wrong there too, in a fraction of the time. Exits with 1 if a case ends in NaN or in an error that no user
is meant to read.
"""

import argparse
import gc
import sys
import time
import warnings

import csv_rows
import here
import numpy as np
from sklearn.exceptions import ConvergenceWarning

RESULTS = here.RESULTS / "hostile.csv"
CASES = 200
SCALES = ("1", "1e-6", "1e6", "mixed")
TRAITS = {
    "constant": 0.3,  # a third of the columns hold one value
    "same_columns": 0.3,  # half of the columns are copies of the first
    "same_rows": 0.3,  # nine tenths of the rows are copies of the first
    "outlier": 0.3,  # one value is 1e6 standard deviations away
    "shifted": 0.15,  # the mean is 1e4 standard deviations from 0
    "one_hot": 0.15,  # rows of the unit matrix instead
}
SETTINGS = {
    "likelihood": ("auto", "gaussian", "bernoulli"),
    "recipe": ("robust", "paper"),
    "init": ("landmark", "gmm", "kmeans"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
    "batch_size": (16, 100, 1000),
    "learning_rate": (2e-3, 2e-3, 2e-3, 0.1, 1e4),
}
LENGTHS = {"pretrain_epochs": 3, "epochs": 4, "guide_epochs": 2}
HIDDEN = (50, 50, 200)
COLUMNS = (
    "case", "n", "features", "clusters", "scale", "traits", *SETTINGS, "outcome", "elbo", "distortion", "rate_z",
    "rate_c", "health", "remedies", "seconds",
)  # fmt: skip


def rows(n: int, features: int, scale: str, traits: tuple[str, ...], seed: int) -> np.ndarray:
    """Four blobs of n rows, made hostile: float64 [n, features]. `scale` is one of `SCALES`, `traits` of `TRAITS`."""
    r = np.random.default_rng(seed)
    x = r.normal(size=(n, features)) + 4 * r.normal(size=(4, features))[np.arange(n) % 4]
    if "one_hot" in traits:
        x = np.eye(features)[r.integers(features, size=n)]
    if "shifted" in traits:
        x += 1e4 * x.std(axis=0)
    if "same_columns" in traits:
        x[:, features // 2 :] = x[:, :1]
    if "same_rows" in traits:
        x[r.permutation(n)[: int(0.9 * n)]] = x[0]
    if "constant" in traits:
        x[:, : max(1, features // 3)] = r.normal()
    if "outlier" in traits:
        column = r.integers(features)
        x[r.integers(n), column] += 1e6 * max(x[:, column].std(), 1.0)
    return x * (10 ** r.uniform(-6, 6, features) if scale == "mixed" else float(scale))


def case(number: int) -> dict:
    """The case of that number: what describes the rows, and settings of the fit."""
    r = np.random.default_rng([20, number])
    n, features = int(np.exp(r.uniform(np.log(12), np.log(300)))), int(np.exp(r.uniform(0, np.log(60))))
    return {
        "n": n,
        "features": features,
        "clusters": int(
            r.choice([1, 2, 4, 8, n // 4, n // 2, n, n + 1], p=[0.1, 0.1, 0.25, 0.1, 0.1, 0.25, 0.05, 0.05])
        ),
        "scale": str(r.choice(SCALES)),
        "traits": tuple(name for name, share in TRAITS.items() if r.random() < share),
        **{name: r.choice(values).item() for name, values in SETTINGS.items()},
        "squeezed": r.random() < 0.9,
    }


def fit(number: int, case: dict) -> dict:
    """Fit one case; its row of the CSV. Errors that a user is meant to read are outcomes, others are raised."""
    import keras

    from vade_tf.data import pipeline
    from vade_tf.data.observing import observe
    from vade_tf.errors import DivergedError, InputError
    from vade_tf.training import recipe
    from vade_tf.training.settings import Settings

    x = rows(case["n"], case["features"], case["scale"], case["traits"], number)
    if case["likelihood"] == "bernoulli" and case["squeezed"]:
        x = (x - x.min()) / max(np.ptp(x), 1e-300)
    row = {name: case[name] for name in COLUMNS if name in case}
    row |= {"case": number, "traits": " ".join(case["traits"])}
    settings = {name: case[name] for name in SETTINGS} | LENGTHS | {"clusters": case["clusters"], "seed": number}
    begun = time.perf_counter()
    try:
        observed = observe(x, case["likelihood"])
        fitted = recipe.fit(observed, Settings(**settings, hidden=HIDDEN))
    except (InputError, DivergedError) as error:
        row["outcome"] = f"stops: {error}"
    else:
        bound = fitted.model.evaluate(pipeline.ordered_batches(observed.x), verbose=0, return_dict=True)
        figures = {name: bound[name] for name in ("elbo", "distortion", "rate_z", "rate_c")}
        row["outcome"] = "fits" if np.isfinite(list(figures.values())).all() else "NaN"
        row |= {name: f"{value:.6g}" for name, value in figures.items()}
        row |= {"health": len(fitted.health), "remedies": len(fitted.remedies)}  # sentences
    row["seconds"] = round(time.perf_counter() - begun, 1)
    keras.backend.clear_session()
    gc.collect()
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs="+", help="numbers of cases (default: those still to do)")
    options = parser.parse_args()

    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # more clusters than rows that differ
    done = {int(row["case"]): row for row in csv_rows.read(RESULTS)}
    for number in options.cases or [i for i in range(CASES) if i not in done]:
        try:
            done[number] = fit(number, case(number))
        except Exception as error:  # what is looked for
            kind = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            plain = {name: value for name, value in case(number).items() if name in COLUMNS}
            done[number] = {**plain, "case": number, "traits": " ".join(plain["traits"]), "outcome": f"fails: {kind}"}
        print(number, done[number]["outcome"], done[number].get("seconds"), flush=True)
        csv_rows.write((done[i] for i in sorted(done)), RESULTS, COLUMNS, "python benchmarks/hostile.py")
    bad = [number for number, row in done.items() if not row["outcome"].startswith(("fits", "stops"))]
    fits = sum(row["outcome"] == "fits" for row in done.values())
    print(f"{len(done)} cases: {fits} fit, {len(done) - fits - len(bad)} stop with a reason, {len(bad)} fail: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
