"""Figures, the pictures on cards, and what is written of an evaluation: a few numbers, looked at by hand."""

import io
import warnings
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from test_figures import HISTORY, render, sheet, subject

from vade_tf.data.observing import build
from vade_tf.errors import StorageError
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report import (
    course_figures,
    drawing,
    evaluation,
    figures,
    files,
    image_figures,
    page,
    sweep_figure,
)
from vade_tf.report.contrast import Contrast
from vade_tf.runs.config import TrainConfig


def test_each_line_of_rows_stands_above_their_reconstructions(small_model, rng):
    model, x = small_model(), rng.uniform(size=(7, 12)).astype("f4")
    pixels = sheet(image_figures.reconstructions(model, x, (3, 4), columns=3))
    decoded = model.decode(model.encode(x)[0]).numpy()
    for line, rows in enumerate((x[:3], decoded[:3], x[3:6], decoded[3:6])):  # the seventh fills no line
        for column, row in enumerate(rows):
            part = pixels[4 * line : 4 * line + 3, 5 * column : 5 * column + 4]
            np.testing.assert_allclose(part, row.reshape(3, 4), rtol=1e-4, atol=1e-5)
    assert len(pixels) == 4 * 4 - 1


def test_rows_that_are_shown_with_their_reconstructions_are_of_all_the_data(small_model):
    x = np.repeat(np.arange(400, dtype="f4")[:, None] / 400, 12, axis=1)
    shown = sheet(image_figures.reconstructions(small_model(), x, (3, 4)))[::8]  # a line of pixels of each line of rows
    assert set(np.floor(4 * shown[~np.isnan(shown)])) == {0, 1, 2, 3}


def test_the_mean_image_of_a_cluster_is_of_all_its_rows(rng, monkeypatch):
    """They are read a few at a time."""
    x = rng.integers(0, 256, (10, 2, 3)).astype("u1")
    x[0], x[1] = 0, 255  # the scale
    groups = np.arange(10) % 2
    told = [{"rows": 5, "typical": [], "doubtful": []}] * 2
    monkeypatch.setattr(image_figures, "MEAN_ROWS", 4)
    drawn = image_figures.card_images(build(x, None, "x", "memory"), groups, told, range(10))
    for c, sheets in enumerate(drawn):
        mean = 255 * matplotlib.image.imread(io.BytesIO(sheets["mean"]))[..., 0]
        np.testing.assert_allclose(mean, x[groups == c].mean(axis=0), atol=1.5)


def test_the_colour_of_a_cell_is_the_share_of_its_cluster_and_its_number_stands_in_it():
    y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    groups = np.array([2, 2, 1, 0, 0, 1, 1, 1, 1])
    axis = figures.confusion(y, groups, 8 / 9).axes[0]
    np.testing.assert_allclose(axis.images[0].get_array(), [[1, 0, 0], [0, 1, 0], [0.2, 0, 0.8]])
    table = [[2, 0, 0], [0, 2, 0], [1, 0, 4]]  # clusters 2, 0, 1 by labels 0, 1, 2
    assert len(axis.texts) == 9
    for text in axis.texts:
        column, row = map(int, text.get_position())
        assert int(text.get_text()) == table[row][column]


def test_of_many_features_those_that_differ_most_are_shown():
    effect = np.array([[0.5, -4.0, 1.0, 0.2, 3.0], [0.1, 1.0, -2.0, 0.3, -0.5]])
    apart = Contrast([f"x{j}" for j in range(5)], ["number"] * 5, np.arange(5), effect, effect, effect)
    axis = figures.features(apart, np.arange(2), each=5, most=3).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["x1", "x2", "x4"]
    assert [text.get_text() for text in axis.texts] == ["-4.0", "+1.0", "+1.0", "-2.0", "+3.0", "-0.5"]


def test_of_one_row_all_is_drawn_but_a_map(small_model, rng):
    parts = subject(small_model(), rng.uniform(size=(1, 12)).astype("f4"), None)
    assert [picture.name for picture in figures.draw(*parts, HISTORY)] == ["profiles", "features", "history"]


def test_the_picture_of_a_sweep_shows_its_table_and_marks_the_number_recommended():
    rows = [
        {"n_clusters": k, "held_out_elbo": k - 9.0, "behind_se": k / 10, "bic": 100.0 * k, "shares": [1 - 0.1 * k, 0.1],
         "strength": 0.5 - k / 100}
        for k in (2, 3, 5)
    ]  # fmt: skip
    summary = {"dataset": "x", "n": 50, "n_held_out": 10, "rows": rows, "n_clusters": 3}
    figure = sweep_figure.draw(summary)
    assert inside(figure)
    bound, information, agreement, weights = axes = figure.axes
    assert not bound.texts  # which would lie on the bars
    line, _, (bars,) = bound.containers[0]
    np.testing.assert_allclose(line.get_xydata(), [[2, -7], [3, -6], [5, -4]])
    np.testing.assert_allclose(np.ptp(bars.get_segments(), axis=1)[:, 1] / 2, [0.2, 0.3, 0.5])
    np.testing.assert_allclose(information.lines[0].get_xydata(), [[2, 4], [3, 6], [5, 10]])  # for a row
    np.testing.assert_allclose(agreement.lines[0].get_ydata(), [0.48, 0.47, 0.45])
    assert list(agreement.lines[1].get_ydata()) == [0.8, 0.8]
    for line, row in zip(weights.lines[:3], rows, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [[row["n_clusters"], share] for share in row["shares"]])
    assert [list(axis.lines[-1].get_xdata()) for axis in axes] == [[3, 3]] * 4


def test_the_choice_of_a_number_of_clusters_has_a_picture(small_model, rng):
    model, data, found, result = subject(small_model(), rng.uniform(size=(40, 12)).astype("f4"), None)
    choice = {"n_clusters": 2, "why": "it is", "tried": [1, 2, 3], "strength": [1.0, 0.9, 0.3]}
    drawn = {p.name: p.figure for p in figures.draw(model, data, found, {**result, "choice": choice}, HISTORY)}
    curve, limit, chosen = drawn["choice"].axes[0].lines
    np.testing.assert_allclose(curve.get_xydata(), [[1, 1.0], [2, 0.9], [3, 0.3]])
    assert list(limit.get_ydata()) == [0.8, 0.8]
    assert list(chosen.get_xdata()) == [2, 2]


def test_pictures_on_cards_are_looked_up_by_what_the_rows_are_called(tmp_path, monkeypatch):
    """Those of a run on some rows of a file are called by their places among all of them."""
    asked = []
    monkeypatch.setattr(figures, "draw", lambda *parts: iter(()))
    monkeypatch.setattr(image_figures, "card_images", lambda *given: asked.append(given))
    monkeypatch.setattr(page, "page", lambda *told: "text")
    run = SimpleNamespace(path=tmp_path, config=TrainConfig(data="x.npy", clusters=4))
    data = build(np.zeros((3, 2), "f4"), None, "x", "memory")
    found, result = SimpleNamespace(groups=[0, 1, 0]), {"clusters": ["a card"]}
    files.write(evaluation.Evaluation(run, None, data, [3, 5, 8], found, {}, [], result), tmp_path, "command")
    assert asked == [(data, [0, 1, 0], ["a card"], [3, 5, 8])]
    assert (tmp_path / "report.html").read_text() == "text"


def test_a_comparison_has_each_figure_below_its_name(capsys):
    figures_of = {"acc": 0.1, "nmi": 0.2, "ari": 0.3, "purity": 0.4, "silhouette": 0.5, "elbo": -6.0}
    bounds = {"bounds": {"1": -5.0, "50": -4.0, "5000": -3.0}}
    none = dict.fromkeys((*figures_of, "importance_weighted"))
    page.show_comparison({"one": {**figures_of, "importance_weighted": bounds}, "other": none})
    head, one, other = (line.split() for line in capsys.readouterr().out.splitlines())
    assert dict(zip(head, one, strict=True)) == {
        "run": "one", "acc": "0.1000", "nmi": "0.2000", "ari": "0.3000", "purity": "0.4000", "silhouette": "0.5000",
        "elbo": "-6.00", "iwae": "-3.00",
    }  # fmt: skip
    assert other == ["other", *["-"] * 7]


@pytest.mark.parametrize(("name", "several"), [("report.html", False), ("comparison.png", True)])
def test_what_an_earlier_evaluation_left_is_replaced_and_a_folder_is_not(tmp_path, name, several):
    (tmp_path / name).write_bytes(b"Made with vade_tf 0.1.0, of before")
    runs = [tmp_path / "run"] * (2 if several else 1)
    files.prepare(tmp_path, runs)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(StorageError, match=f"{name} cannot be written .it is a folder.; move it away"):
        files.prepare(tmp_path, runs)


def inside(figure):
    """Whether all that a figure holds is within its borders."""
    box = figure.get_tightbbox(render(figure).get_renderer())
    (width, height), (left, low, right, high) = figure.get_size_inches(), box.extents
    return min(left, low) > -0.01 and right < width + 0.01 and high < height + 0.01


def test_of_letters_that_the_font_lacks_one_warning_names_the_names():
    figure = Figure((2, 2))
    figure.text(0.1, 0.1, "\u6e29\u5ea6, \u4e2d")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with drawing.unshown(["\u6e29\u5ea6", "size", "\u4e2d"], "the table has them"):
            drawing.png(figure)
            warnings.warn("another", UserWarning, stacklevel=1)
        with drawing.unshown(["size"], "the table has them"):
            drawing.png(Figure((2, 2)))
    last = "the font of the figures has not all letters of \u6e29\u5ea6, \u4e2d; the table has them"
    assert [str(each.message) for each in told] == ["another", last]


def test_the_profiles_of_counts_are_of_rows_as_large_as_those_of_the_data(rng):
    """A component has shares alone; its counts together are those of a row of the data on average."""
    shape = {"n_features": 6, "latent_dim": 2, "hidden": (8,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, Counts(7.0))
    x = rng.poisson(rng.uniform(1, 9, 6), (80, 6)).astype("f4")
    figure = figures.profiles(model, build(x, None, "cells", "here", likelihood="counts"), np.arange(2))
    decoded = model.decode(model.prior.mu.numpy()).numpy()
    for axis, share in zip(figure.axes, decoded / decoded.sum(axis=1, keepdims=True), strict=True):
        drawn = axis.lines[1].get_ydata() * x.std(axis=0) + x.mean(axis=0)
        np.testing.assert_allclose(drawn, share * x.sum() / 80, rtol=1e-3)


def test_the_course_has_the_epochs_of_the_fit_alone():
    before = [
        {"phase": phase, "epoch": e, "elbo": -20.0, "acc": 0.1} for phase in ("pretrain", "guide") for e in (1, 2)
    ]
    for axis in course_figures.epochs({"": before + HISTORY}).axes:
        assert [len(line.get_xdata()) for line in axis.lines] == [3]


def test_runs_are_compared_by_the_scores_that_all_of_them_have():
    scores = dict.fromkeys(("nmi", "ari", "purity", "silhouette"), 0.5) | {"elbo": None}
    results = {"a": {**scores, "acc": 0.9}, "b": {**scores, "acc": None}}
    axis = course_figures.comparison(results, {"a": [], "b": []}).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["nmi", "ari", "purity", "silhouette"]
