"""Figures: which are drawn for which data, and that what they show is what the model and the data say."""

import dataclasses
import io
import re

import keras
import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from vade_tf.contrast import Contrast
from vade_tf.data.observations import build
from vade_tf.report import cards, drawing, evaluation, figures
from vade_tf.seeding import subset

HISTORY = [{"phase": "pretrain", "epoch": 1.0}] + [
    {"phase": "fit", "epoch": e, "elbo": -9.0 + e, "acc": 0.5 + e / 10} for e in (1.0, 2.0, 3.0)
]


BIN = {"low": 0.9, "high": 1.0, "count": 40, "confidence": 0.95, "accuracy": 0.9}


RESULT = {"acc": 0.75, "calibration": {"ece": 0.1, "bins": [BIN]}}


def subject(model, x, y=None, image_shape=None):
    """(model, data set, posterior, result) without the costly numbers that no figure shows."""
    data = build(x, y, "x", "memory", image_shape=image_shape)
    return model, data, evaluation.posterior(model, data.x), RESULT


def render(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def sheet(ax):
    """The picture in a sheet of images, gaps as NaN."""
    return np.ma.filled(ax.images[0].get_array(), np.nan)


@pytest.mark.parametrize(
    ("image_shape", "labels", "n_clusters", "want"),
    [
        ((3, 4), True, 4, "samples reconstructions outliers code confusion reliability history"),
        (None, True, 23, "features code confusion reliability choice history"),
        (None, False, 1, "features code history"),
    ],
)
def test_each_kind_of_data_gets_its_figures_and_nothing_is_cut_off(
    small_model, rng, image_shape, labels, n_clusters, want
):
    x, y = rng.uniform(size=(60, 12)).astype("f4"), np.arange(60) % 13
    model, data, found, result = subject(small_model(n_clusters=n_clusters), x, y if labels else None, image_shape)
    if "choice" in want:
        result = {
            **result,
            "choice": {
                "n_clusters": 2,
                "why": "",
                "tried": [1, 2, 3],
                "strength": [1.0, 0.9, 0.3],
                "mean": [1.0, 0.9, 0.7],
            },
        }
    drawn = figures.draw(model, data, found, result, HISTORY, figures.map_of_codes(found))
    assert " ".join(drawn) == want
    assert set(drawn) <= set(figures.CAPTIONS)
    for name, figure in drawn.items():
        box = figure.get_tightbbox(render(figure).get_renderer())  # inches; of everything that is drawn
        width, height = figure.get_size_inches()
        assert min(box.x0, box.y0) > -0.01, name
        assert box.x1 < width + 0.01, name
        assert box.y1 < height + 0.01, name


def test_the_bound_of_another_system_is_not_drawn(small_model, rng):
    model, data, found, result = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 3)
    others = evaluation.Assignments(found.m, found.log_gamma)
    (ax,) = figures.draw(model, data, others, result, HISTORY, None)["history"].axes
    assert ax.get_title() == "ACC by epoch"


def test_samples_show_the_mean_and_then_draws_of_their_component(small_model):
    model = small_model()
    model.prior.assign(np.ones(4) / 4, 3 * np.eye(4, 3), np.full((4, 3), 0.5))
    pixels = sheet(drawing.samples(model, np.array([0, 2]), (3, 4), n=2, seed=5))
    means = model.decode(3 * np.eye(4, 3)[[0, 2]].astype("f4")).numpy().reshape(2, 3, 4)
    drawn = model.sample([0, 0, 2, 2], 5).numpy().reshape(2, 2, 3, 4)
    for row, top in enumerate((0, 4)):
        np.testing.assert_allclose(pixels[top : top + 3, :4], means[row], rtol=1e-6)
        for column, left in enumerate((5, 10)):
            np.testing.assert_allclose(pixels[top : top + 3, left : left + 4], drawn[row, column], rtol=1e-6)


def test_reconstructions_stand_below_their_rows_in_the_units_of_the_data(small_model, rng):
    model = small_model(scaling=keras.layers.Rescaling(1 / 255))
    x = rng.integers(0, 256, (7, 12)).astype("u1")
    pixels = sheet(drawing.reconstructions(model, x, (3, 4), columns=3))
    decoded = 255 * model.decode(model.encode(x)[0]).numpy()
    for line, rows in enumerate((x[:3], decoded[:3], x[3:6], decoded[3:6])):  # the seventh fills no line
        for column, row in enumerate(rows):
            part = pixels[4 * line : 4 * line + 3, 5 * column : 5 * column + 4]
            np.testing.assert_allclose(part, row.reshape(3, 4), rtol=1e-4, atol=1e-3)
    assert len(pixels) == 4 * 4 - 1


def test_outliers_are_the_rows_of_lowest_density():
    log_density = np.array([-5.0, -7, -6, -8])
    found = evaluation.Posterior(np.zeros((4, 2)), np.zeros((4, 2)), *np.zeros((3, 4)), log_density)
    pixels = sheet(drawing.outliers(np.arange(4.0)[:, None], (1, 1), found, lines=1, columns=3))
    np.testing.assert_array_equal(pixels[0][~np.isnan(pixels[0])], [3, 1, 2])


def test_images_on_cards_are_the_mean_and_the_rows_that_are_named(rng):
    groups = np.array([0, 0, 0, 2, 2, 2, 2, 2, 2, 2])
    x = rng.integers(0, 256, (10, 2, 3)).astype("u1")
    x[0, 0, 0], x[3, 0, 0] = 0, 255  # the scale goes from the least to the largest value
    data = build(x, None, "x", "memory")
    numbers = np.arange(10) * 3 + 7  # other rows stood between them
    named = [{"row": int(numbers[i])} for i in (8, 4)]
    told = [{"rows": rows, "typical": named if rows == 7 else [], "doubtful": []} for rows in (3, 0, 7)]
    drawn = drawing.card_images(data, groups, told, numbers)
    assert drawn[1] == {}  # without a row
    read = {name: 255 * matplotlib.image.imread(io.BytesIO(png))[..., 0] for name, png in drawn[2].items()}
    np.testing.assert_allclose(read["mean"], x[3:].mean(axis=0), atol=1.5)
    np.testing.assert_allclose(read["typical"][:, :3], x[8], atol=1.5)
    np.testing.assert_allclose(read["typical"][:, 4:], x[4], atol=1.5)


def test_confusion_writes_every_count_and_puts_matches_on_the_diagonal():
    """Three clusters of five labels; an empty cluster has no line. The colour of a cell is its share of the cluster."""
    y = np.repeat([0, 1, 2, 3, 4], [5, 1, 5, 1, 5])
    groups = np.repeat([3, 3, 0, 0, 2], [5, 1, 5, 1, 5])  # 1 is empty
    ax = figures.confusion(y, groups)
    counts = np.array([int(text.get_text()) for text in ax.texts]).reshape(3, 5)
    np.testing.assert_array_equal(counts, [[5, 0, 0, 1, 0], [0, 5, 0, 0, 1], [0, 0, 5, 0, 0]])
    np.testing.assert_allclose(ax.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))
    labels, clusters = ([t.get_text() for t in ticks()] for ticks in (ax.get_xticklabels, ax.get_yticklabels))
    assert (labels, clusters) == (["0", "2", "4", "1", "3"], ["3", "0", "2"])
    assert f"{15 / 17:.4f}" in ax.get_title()


def test_of_many_features_those_that_differ_most_are_shown_and_their_names_are_no_mathematics():
    effect = np.array([[0.5, -4.0, 1.0, 0.2, 3.0], [0.1, 1.0, -2.0, 0.3, -0.5]])
    names = ["x0", "$\\frac{$ <b>", 100 * "long", "x3", "x4"]
    apart = Contrast(names, ["number"] * 5, np.arange(5), effect, effect, effect)
    ax = figures.features(apart, np.arange(2), each=5, limit=3)
    render(ax.figure)
    shown = [tick.get_text() for tick in ax.get_yticklabels()]
    assert shown == [r"\$\frac{\$ <b>", "longlonglonglonglonglon\u2026", "x4"]
    assert [text.get_text() for text in ax.texts] == ["-4.0", "+1.0", "+1.0", "-2.0", "+3.0", "-0.5"]


def test_a_cluster_has_its_colour_in_every_figure(small_model, rng):
    """A label has that of the cluster it is matched with."""
    model, x = small_model(), rng.uniform(size=(60, 12)).astype("f4")
    y = (evaluation.posterior(model, x).groups + 1) % 4  # a label a cluster, of other numbers
    _, data, found, result = subject(model, x, y)
    drawn = figures.draw(model, data, found, result, HISTORY, figures.map_of_codes(found))
    for name in ("features", "confusion"):
        ax = drawn[name].axes[0]
        render(drawn[name])
        for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
            if box := text.get_bbox_patch():
                assert to_hex(box.get_facecolor()) == drawing.colour(int(re.search(r"\d+", text.get_text())[0]))
    for ax, numbers in zip(drawn["code"].axes, (found.groups, data.y), strict=True):
        for text, points in zip(ax.texts, ax.collections, strict=True):
            cluster = found.groups[numbers == int(text.get_text())][0]
            assert to_hex(points.get_facecolor()[0][:3]) == drawing.colour(cluster)


def test_the_largest_clusters_and_the_rows_of_the_map(small_model, rng, monkeypatch):
    assert figures.largest(np.repeat(np.arange(25), np.arange(25)), 25).tolist() == list(range(5, 25))
    monkeypatch.setattr(figures, "MAP_ROWS", 20)
    _, data, found, _ = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) // 14)
    rows = subset(40, 20, 0)
    axes = figures.code(figures.map_of_codes(found), found, data.y).figure.axes
    for ax, parts in zip(axes, (found.groups[rows], data.y[rows]), strict=True):
        sizes = {int(t.get_text()): len(p.get_offsets()) for t, p in zip(ax.texts, ax.collections, strict=True)}
        assert sizes == {c: np.sum(parts == c) for c in np.unique(parts)}
    alike = dataclasses.replace(found, m=np.full_like(found.m, 0.3))
    render(figures.code(figures.map_of_codes(alike), alike).figure)


def test_reliability_and_epochs_show_their_numbers():
    bins = [{"count": 4, "confidence": 0.55, "accuracy": 0.25}, {"count": 40, "confidence": 0.95, "accuracy": 0.9}]
    ax = figures.reliability({"ece": 0.1, "bins": bins})
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.55, 0.25], [0.95, 0.9]])
    assert [text.get_text() for text in ax.texts] == ["4", "40"]
    ax = figures.curve(HISTORY, "acc", Figure().subplots())
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0.6], [2, 0.7], [3, 0.8]])


def test_runs_are_compared_by_the_scores_that_all_of_them_have():
    scores = dict.fromkeys(("nmi", "ari", "purity"), 0.5) | {"silhouette": None}
    results = {"$a$": {**scores, "acc": 0.9, "elbo": -9.0}, "_b": {**scores, "acc": None, "elbo": None}}
    figure = figures.comparison(results)
    render(figure)
    assert [ax.get_title() for ax in figure.axes] == ["nmi", "ari", "purity", "ELBO (nats a row)"]
    for ax in figure.axes:
        assert [tick.get_text() for tick in ax.get_yticklabels()] == [r"\$a\$", "_b"]
    assert [text.get_text() for text in figure.axes[-1].texts] == ["-9.00"]


def test_pictures_are_the_same_again_and_whatever_the_readers_own_settings_are(small_model, rng):
    """A matplotlibrc of theirs may turn pictures over, or write them as another kind of file."""
    model, data, found, result = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), None, (4, 3))
    told = cards.cards(model, data, found)

    def drawn():
        strips = drawing.card_images(data, found.groups, told, np.arange(40))
        pictures = figures.draw(model, data, found, result, HISTORY, figures.map_of_codes(found))
        return strips, [drawing.png(figure) for figure in pictures.values()]

    expected = drawn()
    with matplotlib.rc_context({"image.origin": "lower", "savefig.format": "pdf", "savefig.dpi": 30, "font.size": 30}):
        assert drawn() == expected
