"""Figures: which are drawn for which data, and that what they show is what the model and the data say."""

import dataclasses
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgba

from vade_tf.data.observing import build
from vade_tf.report import cards, colours, course_figures, drawing, evaluation, figures, image_figures
from vade_tf.report.contrast import contrast
from vade_tf.seeding import subset

HISTORY = [{"phase": "pretrain", "epoch": 1.0}] + [
    {"phase": "fit", "epoch": e, "elbo": -9.0 + e, "acc": 0.5 + e / 10} for e in (1.0, 2.0, 3.0)
]


def subject(model, x, y, image_shape=None):
    """(model, data set, posterior, result) without the costly numbers that no figure shows."""
    data = build(x, y, "x", "memory", image_shape=image_shape)
    found = evaluation.posterior(model, data.x)
    result = {"acc": 0.75, "calibration": {"ece": 0.1, "bins": [
        {"low": 0.9, "high": 1.0, "count": 40, "confidence": 0.95, "accuracy": 0.9}]}}  # fmt: skip
    return model, data, found, result


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def render(figure):
    """Lay a figure out and draw it; returns its canvas."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def sheet(figure):
    """The picture in a sheet of images, gaps as NaN."""
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


@pytest.mark.parametrize(
    ("image_shape", "labels", "n_clusters", "want"),
    [
        ((3, 4), True, 4, "samples reconstructions interpolation members outliers code confusion reliability history"),
        ((3, 4), False, 1, "samples reconstructions members outliers code history"),
        (None, True, 23, "profiles features code confusion reliability history"),
        (None, False, 4, "profiles features code history"),
    ],
)
def test_each_kind_of_data_gets_its_figures(small_model, rng, image_shape, labels, n_clusters, want):
    model = small_model(n_clusters=n_clusters)
    x, y = rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 13
    drawn = list(figures.draw(*subject(model, x, y if labels else None, image_shape), HISTORY))
    assert " ".join(picture.name for picture in drawn) == want
    for picture in drawn:
        assert picture.caption.endswith(".")
        assert ("20 largest clusters" in picture.caption) == (n_clusters == 23 and picture.name in figures.OF_CLUSTERS)
        render(picture.figure)
        assert texts(picture.figure)
        for axis in picture.figure.axes:
            if axis.axison and axis.get_label() != "<colorbar>" and picture.name in ("code", "confusion", "history"):
                assert axis.get_xlabel()
                assert axis.get_ylabel()


def test_nothing_is_cut_off(small_model, rng):
    model = small_model(n_clusters=23)
    x, y = rng.uniform(size=(60, 12)).astype("f4"), np.arange(60) % 13
    for shape in ((3, 4), None):
        for picture in figures.draw(*subject(model, x, y, shape), HISTORY):
            canvas = render(picture.figure)
            box = picture.figure.get_tightbbox(canvas.get_renderer())  # inches; of everything that is drawn
            width, height = picture.figure.get_size_inches()
            assert box.x0 > -0.01, picture.name
            assert box.y0 > -0.01, picture.name
            assert box.x1 < width + 0.01, picture.name
            assert box.y1 < height + 0.01, picture.name


def test_samples_show_the_mean_and_then_draws_of_their_component(small_model):
    model = small_model()
    model.prior.assign(np.ones(4) / 4, 3 * np.eye(4, 3), np.full((4, 3), 0.5))
    figure = image_figures.samples(model, np.array([0, 2]), (3, 4), n=2, seed=5)
    pixels = sheet(figure)
    means = model.decode(3 * np.eye(4, 3)[[0, 2]].astype("f4")).numpy().reshape(2, 3, 4)
    drawn = model.sample([0, 0, 2, 2], 5).numpy().reshape(2, 2, 3, 4)
    for row, top in enumerate((0, 4)):
        np.testing.assert_allclose(pixels[top : top + 3, :4], means[row], rtol=1e-6)
        for column, left in enumerate((7, 12)):  # two images of 4 with a gap of 1, and the wider gap of 2 before
            np.testing.assert_allclose(pixels[top : top + 3, left : left + 4], drawn[row, column], rtol=1e-6)
    assert np.isnan(pixels[:, 4:7]).all()
    assert {"component 0", "component 2", "mean", "samples"} <= set(texts(figure))


def test_interpolation_goes_from_each_mean_to_the_nearest_other(small_model):
    model = small_model()
    mu = np.array([[0, 0, 0], [1, 0, 0], [9, 9, 9], [9, 9, 7]], "f4")
    model.prior.assign(np.ones(4) / 4, mu, np.ones((4, 3)))
    figure = image_figures.interpolation(model, np.arange(4), (3, 4), steps=3)
    pixels = sheet(figure)
    for row, (a, b) in enumerate(((0, 1), (1, 0), (2, 3), (3, 2))):
        want = model.decode(np.stack([mu[a], (mu[a] + mu[b]) / 2, mu[b]])).numpy().reshape(3, 3, 4)
        for column in range(3):
            part = pixels[4 * row : 4 * row + 3, 5 * column : 5 * column + 4]
            np.testing.assert_allclose(part, want[column], rtol=1e-5)
    assert {"0 to 1", "1 to 0", "2 to 3", "3 to 2"} <= set(texts(figure))


def test_members_and_outliers_are_the_right_rows():
    log_odds = np.array([3.0, 1.0, 2.0, 9.0])
    log_gamma = np.log(np.stack([1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(log_odds))], axis=1))
    log_gamma[3] = log_gamma[3, ::-1]  # row 3 belongs to cluster 1
    log_density = np.array([-5.0, -7, -6, -8])
    found = evaluation.Posterior(log_gamma, log_gamma, *np.zeros((3, 4)), log_density)
    x = np.arange(4.0)[:, None] + 1
    pixels = sheet(image_figures.members(x, (1, 1), found, np.array([0, 1]), n=2))
    np.testing.assert_array_equal(pixels[0][~np.isnan(pixels[0])], [2, 3, 1, 3])
    np.testing.assert_array_equal(pixels[2][~np.isnan(pixels[2])], [4, 4])
    pixels = sheet(image_figures.outliers(x, (1, 1), found, rows=1, columns=3))
    np.testing.assert_array_equal(pixels[0][~np.isnan(pixels[0])], [4, 2, 3])


def test_reconstructions_are_in_the_units_of_the_data(small_model, rng):
    import keras

    model = small_model(scaling=keras.layers.Rescaling(1 / 255))
    x = rng.integers(0, 256, (5, 12)).astype("u1")
    pixels = sheet(image_figures.reconstructions(model, x, (3, 4), columns=5))
    np.testing.assert_array_equal(pixels[:3, :4], x[0].reshape(3, 4))
    want = 255 * model.decode(model.encode(x)[0]).numpy()[0].reshape(3, 4)
    np.testing.assert_allclose(pixels[4:7, :4], want, rtol=1e-5)


def test_confusion_writes_every_count_and_puts_matches_on_the_diagonal():
    y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    groups = np.array([2, 2, 1, 0, 0, 1, 1, 1, 1])
    figure = figures.confusion(y, groups, 8 / 9)
    counts = np.array([int(text.get_text()) for text in figure.axes[0].texts]).reshape(3, 3)
    np.testing.assert_array_equal(counts, [[2, 0, 0], [0, 2, 0], [1, 0, 4]])
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["2", "0", "1"]
    assert "0.8889" in figure.axes[0].get_title()


def test_labels_that_no_cluster_is_matched_with_stand_behind_the_others():
    """Three clusters of five labels: matches are on the diagonal nevertheless; an empty cluster has no line."""
    y = np.repeat([0, 1, 2, 3, 4], [5, 1, 5, 1, 5])
    groups = np.repeat([3, 3, 0, 0, 2], [5, 1, 5, 1, 5])  # 1 is empty
    axis = figures.confusion(y, groups, 15 / 17).axes[0]
    counts = np.array([int(text.get_text()) for text in axis.texts]).reshape(3, 5)
    np.testing.assert_array_equal(np.diag(counts), [5, 5, 5])
    assert counts.sum() == len(y)
    labels, clusters = ([t.get_text() for t in ticks()] for ticks in (axis.get_xticklabels, axis.get_yticklabels))
    assert (labels, clusters) == (["0", "2", "4", "1", "3"], ["3", "0", "2"])


def test_features_that_set_a_cluster_apart_in_standard_deviations(rng):
    groups = np.repeat([0, 1], 500)
    x = np.concatenate([5 + 10 * groups[:, None], 7 * np.ones((1000, 1)), rng.normal(size=(1000, 1))], axis=1)
    figure = figures.features(contrast(build(x, None, "x", "memory"), groups, 2), np.array([0, 1]), each=1)
    assert [text.get_text() for text in figure.axes[0].texts] == ["-2.0", "+2.0"]  # 10 apart, with a deviation of 5
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["x0"]


def test_names_of_features_are_text_and_no_mathematics():
    x, groups = np.repeat([[0.0, 0.0], [1.0, 5.0]], 5, axis=0), np.repeat([0, 1], 5)
    data = replace(build(x, None, "x", "memory"), words=("$\\frac{$ <b>", 100 * "long"))
    figure = figures.features(contrast(data, groups, 2), np.array([0, 1]))
    render(figure)  # a name with a $ is not read as TeX
    shown = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert shown == [r"\$\frac{\$ <b>", "longlonglonglonglonglon\u2026"]


def test_profiles_are_decoded_means_in_standard_deviations(small_model, rng):
    model = small_model("gaussian")
    data = build(5 + 2 * rng.normal(size=(300, 12)), None, "x", "memory")
    figure = figures.profiles(model, data, np.array([1, 3]))
    means = model.decode(model.prior.mu.numpy()[[1, 3]]).numpy()
    for axis, mean in zip(figure.axes, means, strict=True):
        np.testing.assert_allclose(axis.lines[1].get_ydata(), (mean - data.x.mean(0)) / data.x.std(0), rtol=1e-4)


def test_every_cluster_can_be_told_from_every_other():
    looks = {(colours.colour(c), colours.marker(c)) for c in range(100)}
    assert len(looks) == 100


def chips(labels) -> dict:
    """Text -> the colour behind it."""
    return {text.get_text(): to_hex(text.get_bbox_patch().get_facecolor()) for text in labels if text.get_bbox_patch()}


@pytest.mark.parametrize("image_shape", [None, (3, 4)])
def test_a_cluster_has_its_colour_in_every_figure(small_model, rng, image_shape):
    """Whatever names a cluster has its colour behind it or is drawn in it, and nothing else has a cluster's colour."""
    model = small_model()
    x = rng.uniform(size=(60, 12)).astype("f4")
    y = (evaluation.posterior(model, x).groups + 1) % 4  # a label a cluster, of other numbers
    _, data, found, result = subject(model, x, y, image_shape)
    present = np.unique(found.groups)
    assert len(present) > 1
    drawn = {p.name: p.figure for p in figures.draw(model, data, found, result, HISTORY)}
    for name, figure in drawn.items():
        render(figure)
        axis = figure.axes[0]
        ticks = chips([*axis.get_xticklabels(), *axis.get_yticklabels()])
        if name in ("features", "confusion", "samples", "members", "interpolation"):
            assert len(ticks) >= len(present), name
        for text, colour in ticks.items():
            assert colour == colours.colour(int(re.search(r"\d+", text)[0])), name
        if name == "profiles":
            for c, each in enumerate(figure.axes):
                assert to_hex(each.lines[1].get_color()) == colours.colour(c)
        if name == "code":
            for axis, numbers in zip(figure.axes, (found.groups, data.y), strict=True):
                for text, points in zip(axis.texts, axis.collections, strict=True):
                    cluster = found.groups[numbers == int(text.get_text())][0]
                    assert to_hex(points.get_facecolor()[0][:3]) == colours.colour(cluster)
        if name in ("history", "reliability"):
            lines = [to_hex(line.get_color()) for axis in figure.axes for line in axis.lines]
            assert not set(lines) & {colours.colour(c) for c in range(10)}


def test_history_and_comparison_show_every_run():
    results = {
        name: {"acc": acc, "nmi": 0.5, "ari": 0.4, "purity": 0.9, "silhouette": None, "elbo": -9.0}
        for name, acc in (("runs/a", 0.9), ("runs/b", 0.7))
    }
    figure = course_figures.comparison(results, dict.fromkeys(results, HISTORY))
    shown = texts(figure)
    for words in ("runs/a", "runs/b", "0.900", "0.700", "acc", "ELBO by epoch", "ACC by epoch"):
        assert words in shown
    assert "silhouette" not in shown
    line = course_figures.epochs({"": HISTORY}).axes[1].lines[0].get_xydata()
    np.testing.assert_allclose(line, [[1, 0.6], [2, 0.7], [3, 0.8]])


def test_bounds_of_other_systems_are_drawn_nowhere(small_model, rng):
    """That of GMVAE is one of another density; DEC has none, and k-means no epochs."""
    model, data, found, result = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 3)
    others = evaluation.Assignments(found.m, found.log_gamma)
    drawn = {picture.name: picture for picture in figures.draw(model, data, others, result, HISTORY)}
    assert [axis.get_title() for axis in drawn["history"].figure.axes] == ["ACC by epoch"]
    assert drawn["history"].figure.axes[0].get_xlabel() == "epoch"
    assert "VaDE" not in drawn["history"].caption
    none = [{name: value for name, value in row.items() if name != "acc"} for row in HISTORY]
    assert "history" not in [picture.name for picture in figures.draw(model, data, others, result, none)]
    scores = dict.fromkeys(("acc", "nmi", "ari", "purity", "silhouette"), 0.5)
    results = {"vade": {**scores, "elbo": -9.0}, "gmvae": {**scores, "elbo": None}}
    _, _, bound, acc = course_figures.comparison(results, dict.fromkeys(results, HISTORY)).axes
    assert [len(line.get_xdata()) for line in bound.lines] == [3, 0]
    assert [len(line.get_xdata()) for line in acc.lines] == [3, 3]
    assert acc.get_xlabel() == "epoch"
    assert len(course_figures.comparison({"gmvae": results["gmvae"]}, {"gmvae": none}).axes) == 1


def test_names_of_runs_are_text_and_none_is_left_out():
    scores = {"acc": 0.5, "nmi": 0.5, "ari": 0.4, "purity": 0.9, "silhouette": None, "elbo": -9.0}
    results = dict.fromkeys(("$a^$", "_hidden", "$US_$EU", "runs/" + 50 * "long"), scores)
    figure = course_figures.comparison(results, dict.fromkeys(results, HISTORY))
    render(figure)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [name.replace("$", r"\$") for name in results]
    assert [patch.get_facecolor() for patch in figure.legends[0].get_patches()] == [
        to_rgba(colours.colour(i)) for i in range(4)
    ]


def test_codes_that_are_all_alike_have_a_map_too(small_model, rng):
    _, data, found, _ = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), None)
    for m in (np.full_like(found.m, 0.3), np.zeros_like(found.m)):
        render(figures.code(data, dataclasses.replace(found, m=m)))


def test_the_same_data_give_the_same_picture(small_model, rng):
    model = small_model()
    parts = subject(model, rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 3, (3, 4))
    first, again = ([p.figure for p in figures.draw(*parts, HISTORY)] for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(np.asarray(render(a).buffer_rgba()), np.asarray(render(b).buffer_rgba()))


def test_reliability_shows_the_share_right_against_the_probability():
    names = ("low", "high", "count", "confidence", "accuracy")
    bins = [dict(zip(names, each, strict=True)) for each in ((0.5, 0.6, 4, 0.55, 0.25), (0.9, 1.0, 40, 0.95, 0.9))]
    above, below = figures.reliability({"ece": 0.1, "bins": bins}).axes
    np.testing.assert_allclose(above.lines[1].get_xydata(), [[0.55, 0.25], [0.95, 0.9]])
    assert [bar.get_height() for bar in below.patches] == [4, 40]


def test_the_largest_clusters_and_the_rows_of_the_map(small_model, rng, monkeypatch):
    assert figures.largest(np.repeat(np.arange(25), np.arange(25)), 25).tolist() == list(range(5, 25))
    monkeypatch.setattr(figures, "MAP_ROWS", 20)
    x = rng.uniform(size=(40, 12)).astype("f4")
    _, data, found, _ = subject(small_model(), x, np.arange(40) // 14)
    rows = subset(40, 20, 0)
    for axis, parts in zip(figures.code(data, found).axes, (found.groups[rows], data.y[rows]), strict=True):
        sizes = {int(t.get_text()): len(p.get_offsets()) for t, p in zip(axis.texts, axis.collections, strict=True)}
        assert sizes == {c: np.sum(parts == c) for c in np.unique(parts)}


def test_the_silhouette_of_some_rows(rng, monkeypatch):
    monkeypatch.setattr(evaluation, "SILHOUETTE_ROWS", 50)
    groups = rng.permutation(np.arange(100) % 2)
    assert evaluation.silhouette(9.0 * groups[:, None] + rng.normal(size=(100, 1)) / 9, groups) > 0.9


def test_pictures_are_the_same_whatever_the_readers_own_settings_are(small_model, rng):
    """A matplotlibrc of theirs may turn pictures over, or write them as another kind of file."""
    x = rng.uniform(size=(40, 12)).astype("f4")
    model = small_model()
    found = evaluation.posterior(model, x)

    def drawn():
        strips = image_figures.card_images(data, found.groups, told, np.arange(40))
        return strips, drawing.png(course_figures.comparison(*several))

    data = build(x, None, "x", "memory", image_shape=(4, 3))
    told = cards.cards(model, data, found)
    several = {"a": {"acc": 0.5, "nmi": 0.5, "ari": 0.5, "purity": 0.5, "silhouette": 0.5, "elbo": None}}, {"a": []}
    expected = drawn()
    with matplotlib.rc_context({"image.origin": "lower", "savefig.format": "pdf", "savefig.dpi": 30, "font.size": 30}):
        assert drawn() == expected
