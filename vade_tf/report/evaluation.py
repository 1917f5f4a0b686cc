"""What a fitted model is worth, in plain numbers: scores, clusters, calibration, speed, a VaDE's bound and its gap.

Knows no figure, no page and no phase of training, and never writes into a run folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
from scipy.special import entr
from sklearn.metrics import silhouette_score

from vade_tf import metrics
from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import Rows
from vade_tf.errors import InputError, warn_units
from vade_tf.model.vade import VaDE
from vade_tf.report import cards
from vade_tf.runs.folder import BOUND, Run, load_run
from vade_tf.runs.incoming import check_rows, load_new
from vade_tf.runs.rows import load_whole, numbers_of
from vade_tf.seeding import subset
from vade_tf.training.posterior import Assignments, Posterior, assignments, posterior

MAX_NUMBERS, MIN_ROWS = 1 << 24, 1000  # codes and responsibilities that are kept of all rows; rows at least
SILHOUETTE_ROWS = 2000  # its cost is quadratic
LOWEST_ROWS = 5  # rows named as outliers
SEED = 0  # of the subsets and the draws
SCORES = ("acc", "nmi", "ari", "purity", "most_confident_acc", "homogeneity", "completeness", "calibration")


@dataclass(frozen=True)
class Evaluation:
    """A fit, the rows it was evaluated on, and what was found.

    Attributes:
        settings: of the fit, by name.
        model, dataset, numbers, found: see `evaluate`.
        training, history: metrics.json of the run, and the rows of its metrics.csv.
        result: what `evaluate` returns, and where it is from.
    """

    settings: dict
    model: keras.Model
    dataset: Dataset
    numbers: Sequence[int] | np.ndarray
    found: Assignments
    training: dict
    history: list[dict]
    result: dict


def evaluate_run(path: str | Path, *, step: Callable[[str], None] = lambda name: None, **where) -> Evaluation:
    """Load a finished run and evaluate it on the rows that `load_rows` finds; `step` hears the name of each step.

    Raises:
        InputError: the run is not finished or damaged, or its data cannot be had.
    """
    run, model = load_run(path)
    training, history = run.metrics, run.load_rows()
    dataset, seen, numbers = load_rows(run, model, **where)
    n = len(dataset.x)
    width = dataset.x.shape[1] if run.config.model in ("kmeans", "gmm") else run.config.latent_dim
    rows = subset(n, max(MAX_NUMBERS // (width + training["n_clusters"]), MIN_ROWS), SEED)
    if len(rows) < n:  # of rows that were trained on in part it is not counted which of them are drawn
        dataset, numbers, seen = dataset.part(rows), np.asarray(numbers)[rows], len(rows) if seen == n else None
    step(f"encoding {len(rows):,} rows")
    found = findings(model, dataset.x)
    step("bounds, clusters and scores")
    result = {
        "run": str(path),
        "dataset": dataset.name,
        "source": dataset.source,
        "model": run.config.model,
        "recipe": run.config.recipe,
        "seed": run.config.seed,
        "seen_in_training": seen,
        "health": training["health"],
        "remedies": training["remedies"],
        "choice": training.get("choice"),
        **({} if len(rows) == n else {"drawn_from": n}),
        **evaluate(model, dataset, found, numbers=numbers),
    }
    return Evaluation(asdict(run.config), model, dataset, numbers, found, training, history, result)


def load_rows(
    run: Run, model: keras.Model, *, data_dir: str | None = None, data: str | None = None, labels: str | None = None
) -> tuple[Dataset, int | None, Sequence[int] | np.ndarray]:
    """The rows to evaluate the model of a run on: those it was trained on, or those of a file with its labels.

    Returns:
        The rows, how many of them the run was trained on (None: not known), and their places, ascending, among all
        rows of the file or data set, as assignments.csv numbers them.

    Raises:
        InputError: the data cannot be found, do not fit the model, or are not those of the run.
    """
    if data is not None:
        dataset = load_new(run, data, labels)
        warn_units(dataset.notice.splitlines(), 2)
        check_rows(run, model, dataset.x, data)
        shape = run.data.get("image_shape")
        return replace(dataset, image_shape=None if shape is None else tuple(shape)), None, range(len(dataset.x))
    config = replace(run.config, limit=None, data_dir=data_dir or run.config.data_dir)
    whole = load_whole(config, run, run.data.get("in_file"))
    numbers = numbers_of(run.config, len(whole.x))
    trained = whole if len(numbers) == len(whole.x) else whole.part(np.asarray(numbers))
    if any(trained.fingerprint[name] != run.data[name] for name in ("rows", "features", "crc32")):
        expected = f"the {run.data['rows']} rows that {run.path} was trained on"
        raise InputError("data", expected, f"{len(trained.x)} other rows from {trained.source}", "name their file")
    return trained, len(trained.x), numbers


def findings(model: keras.Model, x: Rows) -> Assignments:
    """What a model says about raw rows x [n, D]: `posterior` of a VaDE, `assignments` of any other system."""
    return posterior(model, x) if isinstance(model, VaDE) else assignments(model, x)


def evaluate(
    model: keras.Model, dataset: Dataset, found: Assignments, *, numbers: Sequence[int] | np.ndarray | None = None
) -> dict:
    """All numbers of a model on a data set, as JSON can hold them, under the names of docs/guide/results.md.

    Scores against labels are None without labels; what needs VaDE's bound is None for another system.

    Args:
        model: a trained VaDE, or another system.
        dataset: rows, [n, D], with labels or without.
        found: `findings(model, dataset.x)`.
        numbers: what the result calls each row, ascending, [n]; default 0, 1, ...
    """
    groups, y = found.groups, dataset.y
    numbers = range(len(dataset.x)) if numbers is None else numbers
    scores: dict = dict.fromkeys(SCORES)
    if y is not None:
        scores |= metrics.all_scores(y, groups, found.log_odds)
        correct = metrics.matching(y, groups)[groups] == y
        scores["calibration"] = metrics.calibration(correct, found.confidence)
    bound: dict = dict.fromkeys((*BOUND, "lowest_density_rows"))
    if isinstance(found, Posterior):
        bound = {name: _mean(getattr(found, name)) for name in BOUND}
        lowest = found.log_density.argsort(kind="stable")[:LOWEST_ROWS]
        bound["lowest_density_rows"] = [int(numbers[i]) for i in lowest]
    return {
        "n": len(dataset.x),
        "n_features": dataset.x.shape[1],
        "n_clusters": found.log_gamma.shape[1],
        **scores,
        "silhouette": silhouette(found.m, groups),
        "confidence": _mean(found.confidence),
        "gamma_entropy": _mean(np.sum(entr(np.exp(found.log_gamma)), axis=1)),
        **bound,
        "clusters": cards.cards(model, dataset, found, numbers),
    }


def silhouette(m: np.ndarray, groups: np.ndarray) -> float | None:
    """Mean silhouette of the codes on a random subset, in [-1, 1]; None where it has fewer than two clusters."""
    rows = subset(len(m), SILHOUETTE_ROWS, SEED)
    if not 2 <= len(np.unique(groups[rows])) < len(rows):
        return None
    return float(silhouette_score(m[rows], groups[rows]))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64))
