"""What a fitted model is worth, as plain numbers: scores, clusters, calibration, speed, and a VaDE's bound and gap.

Knows no figure, no page and no phase of training.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from scipy.special import entr, logsumexp
from sklearn.metrics import silhouette_score

from vade_tf import metrics
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.sparse import Rows, part
from vade_tf.model import elbo
from vade_tf.model.vade import VaDE
from vade_tf.report import cards
from vade_tf.report.rows import load_rows
from vade_tf.runs.folder import BOUND, Run
from vade_tf.runs.load import load_run
from vade_tf.seeding import subset
from vade_tf.training.posterior import Assignments, Posterior, assignments, posterior

MOST, LEAST_ROWS = 1 << 24, 1000  # numbers that are kept of all rows, codes and responsibilities; rows at least
IWAE_SAMPLES = (1, 50, 5000)
IWAE_ROWS = 64  # at most: 5,000 decodings a row, 0.13 s for MNIST and the paper's network on two cores
DECODED = 1 << 31  # numbers that the decoder's layers make of all draws: 9 to 17 s a thousand million on one core
SILHOUETTE_ROWS = 2000  # its cost is quadratic
PREDICT_ROWS = 20_000
EXAMPLES = 5  # rows named as outliers
SEED = 0  # of the subsets and the draws


@dataclass(frozen=True)
class Evaluation:
    """A run, what it was evaluated on, and the figures: `result` is what `evaluate` returns and where it is from.

    `numbers` are the places of the rows among all rows of their source, ascending: `result` names rows by them.
    """

    run: Run
    model: keras.Model
    dataset: Dataset
    numbers: Sequence[int] | np.ndarray
    found: Assignments
    training: dict
    history: list[dict]
    result: dict


def evaluate_run(path: str | Path, *, step: Callable[[str], None] = lambda name: None, **where) -> Evaluation:
    """Load a finished run and evaluate it.

    Args:
        path: the run folder; it is only read.
        step: is told the name of each step as it begins; default nothing is said.
        where: which rows, see `load_rows`; default: those it was trained on.

    Raises:
        InputError: the run is not finished, a file of it is missing or damaged, or its data cannot be had.
    """
    step("loading data")
    run, model = load_run(path)
    training, history = run.metrics, run.load_rows()
    dataset, seen, numbers = load_rows(run, model, **where)
    n = len(dataset.x)
    code = dataset.x.shape[1] if run.config.model in ("kmeans", "gmm") else run.config.latent_dim
    dataset, drawn = some_of(dataset, code + training["n_clusters"])
    if drawn is not None:  # of rows that were trained on in part it is not counted which of them are drawn
        seen = len(dataset.x) if seen == n else None
        numbers = numbers[drawn] if isinstance(numbers, np.ndarray) else drawn  # else they are all
    step(f"encoding {len(dataset.x):,} rows")
    found = findings(model, dataset.x)
    facts = {
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
        **({} if drawn is None else {"drawn_from": n}),
    }
    result = {**facts, **evaluate(model, dataset, found, numbers=numbers, step=step)}
    return Evaluation(run, model, dataset, numbers, found, training, history, result)


def some_of(dataset: Dataset, width: int) -> tuple[Dataset, np.ndarray | None]:
    """The rows to evaluate: all, or as many, drawn, as keep what is said of them in memory.

    Args:
        dataset: all rows.
        width: numbers that are kept of each row.

    Returns:
        The rows, and their numbers where they are not all of them.
    """
    n = len(dataset.x)
    rows = subset(n, max(MOST // width, LEAST_ROWS), SEED)
    return (dataset, None) if len(rows) == n else (dataset.part(rows), rows)


def findings(model: keras.Model, x: Rows) -> Assignments:
    """What a model says about raw rows x [n, D]: `posterior` of a VaDE, `assignments` of any other system."""
    return posterior(model, x) if isinstance(model, VaDE) else assignments(model, x)


def evaluate(
    model: keras.Model,
    dataset: Dataset,
    found: Assignments,
    *,
    numbers: Sequence[int] | np.ndarray | None = None,
    step: Callable[[str], None] = lambda name: None,
) -> dict:
    """All figures of a model on a data set.

    Args:
        model: a trained VaDE, or another system.
        dataset: rows, with labels or without.
        found: `findings(model, dataset.x)`.
        numbers: what the result calls each row, ascending, [n]; default 0, 1, ...
        step: as for `evaluate_run`.

    Returns:
        Numbers, lists and dicts that json can write: n, n_features, n_clusters; acc, nmi, ari, purity,
        most_confident_acc, homogeneity, completeness and calibration (each None without labels); silhouette (None for
        one cluster), confidence and gamma_entropy (means); elbo, distortion, rate_z, rate_c (nats a row);
        importance_weighted; clusters (see `cards.cards`); lowest_density_rows; predict_rows_per_second. From elbo to
        importance_weighted, and lowest_density_rows, None for a system that is no VaDE. docs/evaluation.md
        says what each means.
    """
    groups, y = found.groups, dataset.y
    numbers = range(len(dataset.x)) if numbers is None else numbers
    names = ("acc", "nmi", "ari", "purity", "most_confident_acc", "homogeneity", "completeness")
    scores: dict = dict.fromkeys((*names, "calibration"))
    if y is not None:
        scores |= metrics.all_scores(y, groups, found.log_odds)
        correct = metrics.matching(y, groups)[groups] == y
        scores["calibration"] = metrics.calibration(correct, found.confidence)
    bound: dict = dict.fromkeys((*BOUND, "importance_weighted", "lowest_density_rows"))
    if isinstance(found, Posterior):
        step("importance-weighted bounds")
        bound = {name: _mean(getattr(found, name)) for name in BOUND}
        bound["importance_weighted"] = importance_weighted(model, dataset.x, found.elbo)
        bound["lowest_density_rows"] = [int(numbers[i]) for i in found.log_density.argsort(kind="stable")[:EXAMPLES]]
    step("silhouette, clusters and speed")
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
        "predict_rows_per_second": throughput(model, dataset.x),
    }


def importance_weighted(model: VaDE, x: Rows, bound: np.ndarray) -> dict:
    """Importance-weighted bounds on log p(x) (Burda et al., ICLR 2016), and the ELBO of the same rows.

    Args:
        model: a trained VaDE.
        x: raw rows, [n, D]; a random subset of IWAE_ROWS is used, or fewer where a draw costs more (`decoded`).
        bound: ELBO of each row, [n].

    Returns:
        {"rows": number of rows, "elbo": nats a row, "bounds": {"1": nats a row, "50": ..., "5000": ...}}. All are made
        of the same draws, in groups of k, so a larger k never gives less.
    """
    samples = max(IWAE_SAMPLES)
    rows = subset(len(x), min(IWAE_ROWS, max(DECODED // (samples * decoded(model)), 1)), SEED)
    log_w = log_weights(model, x[rows], samples, SEED, pipeline.together(x, 1000))
    bounds = {str(k): _mean(importance_weighted_bound(log_w, k)) for k in IWAE_SAMPLES}
    return {"rows": len(rows), "elbo": _mean(bound[rows]), "bounds": bounds}


def decoded(model: VaDE) -> int:
    """Numbers that the decoder's layers make of a code, a model inside as one layer; a draw's time goes with these."""
    outputs = keras.tree.flatten([layer.output for layer in model.decoder.layers])
    return sum(math.prod(side or 1 for side in output.shape[1:]) for output in outputs)  # None: not known beforehand


def importance_weighted_bound(log_w: np.ndarray, k: int) -> np.ndarray:
    """Mean over groups of k draws of log (1/k) sum w: log weights [n, samples] -> [n]; k divides the samples."""
    grouped = log_w.reshape(len(log_w), -1, k).astype(np.float64)
    return (logsumexp(grouped, axis=2) - np.log(k)).mean(axis=1)


def log_weights(model: VaDE, x: np.ndarray, samples: int, seed: int, chunk: int) -> np.ndarray:
    """log p(x|z) + log p(z) - log q(z|x) of draws z from q(z|x), p(z) the whole mixture.

    Args:
        model: a VaDE.
        x: raw rows, [n, D].
        samples: draws a row.
        seed: of the draws.
        chunk: draws decoded at once; bounds the memory.

    Returns:
        Log weights in nats, [n, samples].
    """
    mixture = model.prior.distribution

    @tf.function(reduce_retracing=True, autograph=False)
    def of_row(scaled, m, log_s2, noise):
        z = m + tf.exp(0.5 * log_s2) * noise  # [chunk, latent]
        out = model.x_parameters(z)
        log_q = -0.5 * tf.reduce_sum(noise**2 + log_s2 + elbo.LOG_2PI, axis=-1)
        return mixture.log_prob(z) - log_q - model.distortion(tf.repeat(scaled[None], tf.shape(z)[0], axis=0), out)

    m, log_s2 = model.encode(x)
    result = np.empty((len(x), samples), np.float32)
    for i, scaled in enumerate(model.scale(x)):
        noise = tf.random.stateless_normal((samples, model.prior.latent_dim), seed=[seed, i])
        for begin in range(0, samples, chunk):
            part = noise[begin : begin + chunk]
            result[i, begin : begin + chunk] = of_row(scaled, m[i], log_s2[i], part)
    return result


def silhouette(m: np.ndarray, groups: np.ndarray) -> float | None:
    """Mean silhouette of the codes on a random subset, in [-1, 1]; None where it has fewer than two clusters."""
    rows = subset(len(m), SILHOUETTE_ROWS, SEED)
    if not 2 <= len(np.unique(groups[rows])) < len(rows):
        return None
    return float(silhouette_score(m[rows], groups[rows]))


def throughput(model: keras.Model, x: Rows) -> float:
    """Rows a second of `model.predict` in batches of 1,024, once compiled."""
    n = min(len(x), PREDICT_ROWS)
    n -= n % pipeline.BATCH if n > pipeline.BATCH else 0  # a last batch of another size is compiled anew by XLA
    batches = pipeline.ordered_batches(part(x, slice(0, n)))
    model.predict(batches.take(1), verbose=0)
    begun = time.perf_counter()
    model.predict(batches, verbose=0)
    return round(n / (time.perf_counter() - begun), 1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64))
