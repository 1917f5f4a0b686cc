"""Pictures and a report of a fitted `VaDEClusterer`.

Each picture is drawn on the axes `ax`, by default new ones, which are returned. A cluster has its colour in all of them
and in the report. They need matplotlib: pip install 'vade-tf[reports]'.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes

from vade_tf.contrast import compared
from vade_tf.errors import InputError
from vade_tf.estimator import VaDEClusterer
from vade_tf.report import drawing, evaluation, figures, interactive, page
from vade_tf.report.drawing import WIDTH, colour
from vade_tf.seeding import subset
from vade_tf.storage import write_whole
from vade_tf.training import device

INTERACTIVE_ROWS = 20_000  # of a map that moves without jerks


def map(model: VaDEClusterer, X, method: str = "pca", ax: Axes | None = None) -> Axes:
    """The code of rows in two dimensions, coloured by cluster, outliers grey; of more than 3,000 rows a random subset.

    Args:
        model: fitted.
        X: rows [n, D], as `predict` takes them.
        method: "pca" (default), "tsne", or "umap" (of umap-learn).
        ax: where to draw.

    Raises:
        ValueError: another method, or rows that the model cannot take.
    """
    code, groups = model.transform(X), model.predict(X)
    rows = subset(len(code), figures.MAP_ROWS, seed=0)
    points = figures.projected(np.asarray(code)[rows], method)
    return figures.scatter(points, groups[rows], np.arange(model.n_clusters_), _axes(ax, 6), method.upper())


def interactive_map(model: VaDEClusterer, X, texts=None, method: str = "pca"):
    """The map as a Bokeh figure: a point says its row, cluster, confidence, and its text or picture, under the pointer.

    `bokeh.io.save(figure, "map.html", resources=bokeh.resources.INLINE)` makes a page of it.

    Args:
        model: fitted.
        X: rows [n, D], as `predict` takes them; of more than 20,000 a random subset is shown.
        texts: what each row is about, [n]; default none.
        method: as for `map`; "tsne" and "umap" take a minute for 20,000 rows.

    Returns:
        A `bokeh.plotting.figure`.

    Raises:
        ValueError: another method, or rows or texts that cannot be used.
    """
    dataset, groups = model._dataset(X, texts=texts), model.predict(X)
    found = evaluation.findings(model.model_, dataset.x)
    rows = subset(len(groups), INTERACTIVE_ROWS, seed=0)
    known = interactive.about(dataset, rows, rows, found.confidence[rows])
    points, names = figures.projected(found.m[rows], method), dict(enumerate(model.cluster_names_))
    return interactive.draw(points, groups[rows], names, known)


def confidence(model: VaDEClusterer, X, ax: Axes | None = None) -> Axes:
    """How many rows X [n, D] have which probability of their cluster, by cluster."""
    gamma = model.predict_proba(X)
    groups, ax = gamma.argmax(axis=1), _axes(ax, 3.6)
    shares = [gamma[groups == c, c] for c in range(model.n_clusters_)]
    colours, names = zip(*((colour(c), str(c)) for c in range(model.n_clusters_)), strict=True)
    ax.hist(shares, bins=20, range=(0, 1), stacked=True, color=colours, label=names)
    ax.set(xlabel="probability of the cluster", ylabel="rows", title=f"Confidence, mean {gamma.max(axis=1).mean():.3f}")
    ax.legend(title="cluster", frameon=False)
    return ax


def profile(model: VaDEClusterer, X, ax: Axes | None = None) -> Axes:
    """What sets each cluster apart: rows X [n, D], the features that differ most, in standard deviations.

    Shown is the mean of a cluster less that of all other rows; of counts the log2 fold change of the decoder's mean.
    """
    dataset, groups = model._dataset(X), model.predict_proba(X).argmax(axis=1)
    apart = compared(model.model_, dataset, groups, model.n_clusters_)
    return figures.features(apart, figures.largest(groups, model.n_clusters_), ax=_axes(ax, 5))


def samples(model: VaDEClusterer, n: int = 10, ax: Axes | None = None) -> Axes:
    """Of images: a line a cluster, its mean and n new images of it.

    Raises:
        ValueError: the rows that were fitted were no images.
    """
    if model._image_shape is None:
        raise InputError("model", "a fit to images", "one to other rows", "model.sample draws rows of any kind")
    clusters = figures.largest(model.labels_[model.labels_ >= 0], model.n_clusters_)
    return drawing.samples(model.model_, clusters, model._image_shape, n, ax=_axes(ax, 0.6 * len(clusters) + 0.7))


def training(model: VaDEClusterer, ax: Axes | None = None) -> Axes:
    """The bound in the epochs of VaDE, nats a row, as training saw it."""
    return figures.curve(model.history_, "elbo", _axes(ax, 3.2))


def choice(model: VaDEClusterer, ax: Axes | None = None) -> Axes:
    """Prediction strength of each number of clusters that a fit with n_clusters="auto" has compared.

    Raises:
        ValueError: the number was given.
    """
    if model.choice_ is None:
        raise InputError("model", "a fit with n_clusters='auto'", "one with a given number")
    return figures.strength(model.choice_, _axes(ax, 3.2))


def write_report(model: VaDEClusterer, X, path: str | Path, y=None, texts=None) -> Path:
    """Write the page that `vade-tf evaluate` makes of a run: a card for each cluster, scores and figures.

    Args:
        model: fitted.
        X: rows [n, D], as `predict` takes them.
        path: of the .html file, which is replaced if it is there.
        y: labels, [n], for scores alone; default none.
        texts: what each row is about, [n], to name clusters and show rows by; default none.

    Returns:
        The path.
    """
    path, dataset, vade = Path(path), model._dataset(X, y, texts), model.model_
    found = evaluation.findings(vade, dataset.x)
    phases = pandas.DataFrame(model.history_, columns=["phase", "epoch", "seconds"]).groupby("phase", sort=False)
    training = {
        "health": model.health_,
        "remedies": model.remedies_,
        "kind": model.kind_,
        "start": model.start_,
        "likelihood": model.likelihood_,
        "device": device.describe(),
        "epochs": phases["epoch"].max().to_dict(),
        "seconds": phases["seconds"].sum().to_dict(),
        "versions": {},
    }
    result = {
        "dataset": path.stem,
        "source": "memory",
        "model": "vade",
        "seen_in_training": None,
        "choice": None if model.choice_ is None else vars(model.choice_),
        **evaluation.evaluate(vade, dataset, found),
    }
    settings = {name: value for name, value in model.get_params().items() if isinstance(value, str | int | float)}
    rows = range(len(dataset.x))
    evaluated = evaluation.Evaluation(settings, vade, dataset, rows, found, training, model.history_, result)
    text, _ = page.rendered(evaluated, f"vade_tf.write_report(model, X, {str(path)!r})")
    write_whole(path, text.encode())
    return path


def _axes(ax: Axes | None, height: float) -> Axes:
    """The axes given, or those of a new figure of this height in inches, which a notebook shows."""
    return plt.subplots(figsize=(WIDTH, height), layout="constrained")[1] if ax is None else ax
