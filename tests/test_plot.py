"""Pictures from Python: each shows the numbers of the model, on the axes that are given."""

import matplotlib
import numpy as np
import pandas
import pytest

import vade_tf
from vade_tf import VaDEClusterer, plot
from vade_tf.errors import InputError

matplotlib.use("agg")
SHORT = {"pretrain_epochs": 2, "epochs": 2, "hidden": (16,), "latent_dim": 3, "random_state": 0, "init": "kmeans"}


@pytest.fixture(scope="module")
def table():
    """Two groups that differ in size and colour."""
    r, group = np.random.default_rng(0), np.arange(120) % 2
    return pandas.DataFrame(
        {"size": 9.0 * group + r.normal(size=120), "noise": r.normal(size=120), "colour": np.array(["r", "b"])[group]}
    )


@pytest.fixture(scope="module")
def fitted(table, eager_file):
    return VaDEClusterer(2, contamination=0.05, **SHORT).fit(table)


@pytest.fixture
def ax():
    return matplotlib.figure.Figure().subplots()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_the_map_has_a_point_a_row(fitted, table, ax, method):
    assert plot.map(fitted, table, method, ax=ax) is ax
    drawn = [len(points.get_offsets()) for points in ax.collections]
    assert drawn == [np.sum(fitted.labels_ == c) for c in (-1, 0, 1)]
    with pytest.raises(InputError, match="^method: "):
        plot.map(fitted, table, "som")


def test_the_bars_of_the_confidence_are_all_rows(fitted, table, ax):
    plot.confidence(fitted, table, ax=ax)
    assert sum(bar.get_height() for bar in ax.patches) == 120


def test_the_profile_names_what_differs(fitted, table, ax):
    plot.profile(fitted, table, ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert {"size", "colour = r"} & set(names) or {"size", "colour = b"} & set(names)


def test_the_bound_is_that_of_the_history(fitted):
    ax = plot.training(fitted)
    expected = [row["elbo"] for row in fitted.history_ if row["phase"] == "fit"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)


def test_a_report_is_a_page_without_a_run(fitted, table, tmp_path):
    text = vade_tf.write_report(fitted, table, tmp_path / "groups.html", np.arange(120) % 2).read_text()
    for words in ("VaDE on groups", "120 rows", "ARI", "colour", "What sets it apart", "data:image/png;base64,"):
        assert words in text


def test_images_have_samples_and_a_number_that_was_chosen_a_reason(fitted, ax):
    x = (np.arange(60) % 2)[:, None, None] * np.ones((60, 6, 5)) * np.random.default_rng(0).random((60, 6, 5))
    images = VaDEClusterer("auto", **SHORT).fit(x)
    assert len(plot.samples(images, 4).get_images()[0].get_array()) >= 6
    np.testing.assert_allclose(plot.choice(images, ax=ax).lines[0].get_ydata(), images.choice_.strength)
    pictures = plot.interactive_map(images, x).renderers[0].data_source.data["picture"]
    assert [picture[:23] for picture in pictures] == 60 * ["data:image/webp;base64,"]
    for other in (plot.samples, plot.choice):
        with pytest.raises(InputError, match="^model: "):
            other(fitted)


def test_the_interactive_map_says_of_each_row_what_it_is(fitted, table):
    texts = [f"{('large', 'small')[i % 2]} {i}" for i in range(120)]
    shown = plot.interactive_map(fitted, table, texts).renderers[0].data_source.data
    np.testing.assert_array_equal(shown["row"], np.arange(120))
    np.testing.assert_array_equal(shown["cluster"], fitted.labels_)
    np.testing.assert_allclose(shown["confidence"], fitted.predict_proba(table).max(axis=1), rtol=1e-5)
    assert shown["text"] == texts
    with pytest.raises(InputError, match="^texts: "):
        plot.interactive_map(fitted, table, texts[1:])
