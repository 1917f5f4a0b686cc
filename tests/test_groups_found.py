"""What a start reads of networks of the caller's own, and how rows that it has not read get their groups."""

import keras
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from small_fits import begin, sixty
from test_origins import SMALL, observed

from vade_tf.model import networks
from vade_tf.training import extension, landmark_starts, recipe, regions
from vade_tf.training import groups as finding
from vade_tf.training.settings import Settings


def test_networks_whose_code_no_single_layer_makes_are_read_in_their_code_alone(rng):
    inputs, x = keras.Input((9,)), sixty(rng)
    code = keras.layers.Add()([keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)])
    own = keras.Model(inputs, [code, keras.layers.Dense(2)(inputs)]), networks.build_decoder(9, 2, (8,))
    fitting = begin(x, init="landmark", hidden=None, networks=own)
    (view,) = finding.reader(fitting, "init", x)(x)
    np.testing.assert_allclose(view, fitting.model.encode(x)[0], rtol=1e-5, atol=1e-6)
    assert finding.found_groups(fitting, "init").groups.shape == (60,)


def test_cells_that_a_start_has_not_read_come_with_their_batch(monkeypatch):
    """Else what batches differ by would be taken away from the cells alone that were read."""
    monkeypatch.setattr(extension, "READ", 200)
    fitting = recipe.begin(observed(300), Settings(clusters=3, **SMALL))
    found = finding.found_groups(fitting, "init").groups
    some, numbers = finding.read_by_start(fitting)
    read, seed = finding.reader(fitting, "init", some), fitting.settings.start_seed
    expected = extension.Extension(read(some), found[numbers].astype(int), 3, seed).groups(read(fitting.data.rows))
    expected[numbers] = found[numbers]
    np.testing.assert_array_equal(found, expected)


def test_rows_that_were_not_read_are_tied_to_some_landmarks_for_each_of_many_groups(rng, monkeypatch):
    """Four a group, or as many as a draw has, but no more than a fifth of the rows."""
    asked, view = [], rng.normal(size=(300, 2)).astype("f4")

    def landmarks(rows, seed, most):
        asked.append(most)
        return rows[:most]

    monkeypatch.setattr(regions, "landmarks", landmarks)
    monkeypatch.setattr(regions, "LANDMARKS", 20)
    for k in (3, 12, 30):
        extension.Extension([view], np.arange(300) % k, k, 0)
    assert asked == [20, 48, 60]


def test_a_row_that_lies_on_all_landmarks_is_tied_to_them_alike():
    """As many rows of one kind do, such as cells without counts: a distance of 0 is no width to divide by."""
    search = NearestNeighbors(n_neighbors=4).fit(np.ones((6, 2), "f4"))
    ties = regions.tied(np.ones((5, 2), "f4"), search)
    np.testing.assert_allclose(ties.data, 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(ties.sum(axis=1), 1, rtol=1e-6)


def asked_of_noise(monkeypatch, agreed, borders=0.5, n=120):
    """What is said of noise whose draws agree so far and whose groups have such borders, and how many were made."""
    made, means = [], np.arange(n) % 3

    def draws(places, clusters, seeds):
        made.append(len(seeds))
        return [means] * len(seeds)

    x = np.random.default_rng(0).normal(size=(n, 6)).astype("f4")
    fitting = begin(x, init="landmark", likelihood="gaussian")
    monkeypatch.setattr(finding.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(finding.regions, "landmark_draws", draws)
    monkeypatch.setattr(finding, "alike", lambda drawn: agreed)
    monkeypatch.setattr(finding.parting, "beyond_chance", lambda near, some, of: 0.0 if of is means else borders)
    return finding.doubts(fitting, np.roll(means, 1)), made


@pytest.mark.parametrize(
    ("agreed", "told", "made"), [(0.69, True, [4, 4]), (0.71, False, [4, 4]), (0.79, False, [4, 4]), (0.81, False, [4])]
)
def test_groups_are_doubted_whose_draws_agree_to_less_than_seven_tenths(agreed, told, made, monkeypatch):
    """All eight are made where the first four do not agree to eight tenths."""
    said, drawn = asked_of_noise(monkeypatch, agreed)
    assert (len(said), drawn) == (told, made)


@pytest.mark.parametrize(("borders", "told"), [(0.019, False), (0.021, True)])
def test_groups_with_a_fiftieth_of_the_borders_of_chance_are_not_doubted(borders, told, monkeypatch):
    assert len(asked_of_noise(monkeypatch, 0.1, borders)[0]) == told


def test_groups_of_rows_too_few_for_a_graph_are_not_doubted(monkeypatch):
    """There are no draws of it to compare."""
    assert asked_of_noise(monkeypatch, 0.1, n=40) == ([], [])


@pytest.mark.parametrize(("read", "asked"), [(150, 5000), (240, 100), (150, 100)])
def test_groups_that_lie_apart_are_not_doubted_whichever_rows_are_asked(read, asked, rng, monkeypatch):
    """Some rows are read of many, and some of these asked: each goes with its own group, in any order of the file."""
    y = rng.permutation(np.arange(240) % 3)
    x = (20 * np.eye(6)[y] + rng.normal(size=(240, 6))).astype("f4")
    fitting = begin(x, init="landmark", likelihood="gaussian")
    monkeypatch.setattr(finding.extension, "READ", read)
    monkeypatch.setattr(finding.parting, "ASKED", asked)
    monkeypatch.setattr(finding.regions, "landmark_draws", lambda *given: pytest.fail("doubted"))
    assert finding.doubts(fitting, y) == []


def test_new_groups_are_compared_with_those_before_on_the_rows_that_are_asked(rng, monkeypatch):
    y = rng.permutation(np.arange(240) % 2)
    x = rng.normal(size=(240, 230)) + 3.0 * y[:, None]
    fitting = begin(x.astype("f4"), init="landmark", hidden=(4,))
    monkeypatch.setattr(finding.parting, "ASKED", 100)
    for other in (np.roll(y, 1), rng.permutation(y)):
        np.testing.assert_array_equal(finding.accepted(fitting, other, y), y)
        np.testing.assert_array_equal(finding.accepted(fitting, y, other), y)


@pytest.mark.parametrize(("rows", "kind"), [(229, "wide"), (230, "broad")])
def test_rows_are_wide_that_have_more_features_than_there_are_rows(rows, kind, rng):
    assert finding.kind(begin(rng.normal(size=(rows, 230)).astype("f4"), init="landmark", hidden=(4,))) == kind


def test_a_landmark_that_stands_for_no_row_has_no_say(monkeypatch):
    """A row that has it nearest is of the group of the next ones."""
    places = np.array([[0, 0], [0, 1], [50, 0], [50, 1], [1000, 0]], "f4")
    monkeypatch.setattr(regions, "landmarks", lambda rows, seed, most: places)
    rows, groups = np.repeat([[0.0, 0.5], [50, 0.5]], 30, axis=0), np.repeat([1, 2], 30)
    found = extension.Extension([rows], groups, 3, 0)
    np.testing.assert_array_equal(found.groups([np.array([[900.0, 0], [1, 0], [49, 0]])]), [2, 1, 2])


def test_another_seed_reads_other_rows(monkeypatch):
    """Else the starts of several seeds were no draws of their own."""
    monkeypatch.setattr(extension, "READ", 100)
    first, again, other = (extension.read_rows(1000, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 30


def test_images_are_no_table_whatever_their_likelihood(rng):
    x = sixty(rng)
    for likelihood in ("gaussian", "bernoulli"):
        grey = x if likelihood == "gaussian" else (x > 3) * np.float32(1)
        assert finding.kind(begin(grey, init="landmark", likelihood=likelihood)) == "table"
        assert finding.kind(begin(grey.reshape(60, 3, 3), init="landmark", likelihood=likelihood)) == "code"


@pytest.fixture
def drawn(monkeypatch):
    """The places and the seeds of draws whose groups are doubted; these have half of the borders of chance."""
    found, means = [], np.arange(120) % 3

    def draws(places, clusters, seeds):
        found.append((places[0], seeds))
        return [means] * len(seeds)

    monkeypatch.setattr(finding.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(finding.regions, "landmark_draws", draws)
    monkeypatch.setattr(finding.parting, "beyond_chance", lambda near, some, of: 0.0 if of is means else 0.5)
    return found


def test_the_place_whose_draws_agree_best_is_told_of(drawn, rng, monkeypatch):
    """Among the numbers and in all columns."""
    x = np.hstack([rng.normal(size=(120, 3)), rng.integers(2, size=(120, 3))]).astype("f4")
    agreed = iter([0.62, 0.62, 0.31, 0.31])
    monkeypatch.setattr(finding, "alike", lambda draws: next(agreed))
    (told,) = finding.doubts(begin(x, init="landmark", likelihood="gaussian"), np.roll(np.arange(120) % 3, 1))
    assert "(mean ARI 0.62 of 1)" in told
    assert [place.shape[1] for place, _ in drawn] == [3, 3, 6, 6]


def test_draws_that_are_compared_are_of_a_seed_each(drawn, rng, monkeypatch):
    monkeypatch.setattr(finding, "alike", lambda draws: 0.1)
    x = rng.normal(size=(120, 6)).astype("f4")
    finding.doubts(begin(x, init="landmark", likelihood="gaussian"), np.roll(np.arange(120) % 3, 1))
    assert len({seed for _, seeds in drawn for seed in seeds}) == landmark_starts.DRAWS


def test_principal_components_are_doubted_in_the_unit_in_which_they_were_grouped(drawn, rng, monkeypatch):
    """In columns of variance 1 each, the last direction would weigh as much as the first."""
    monkeypatch.setattr(finding, "alike", lambda draws: 0.1)
    x = PCA(20).fit_transform(rng.normal(size=(120, 20)) * np.geomspace(100, 0.1, 20)).astype("f4")
    fitting = begin(x, init="landmark", likelihood="gaussian")
    assert fitting.data.kind == "principal components"
    finding.doubts(fitting, np.roll(np.arange(120) % 3, 1))
    apart = pdist(drawn[0][0]) / pdist(x)
    np.testing.assert_allclose(apart, apart.mean(), rtol=1e-3)


def test_texts_without_further_autoencoders_are_found_as_all_else_on_the_code(rng):
    """Whose draws are given up where they differ: no others vote with them."""
    x = rng.random((120, 40)) * (rng.random((120, 40)) < 0.15) + 0.3 * np.eye(40)[np.arange(120) % 40]
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f4")
    for pretrain, expected in ((1, "texts"), (0, "code")):
        fitting = begin(x, init="landmark", pretrain_epochs=pretrain)
        assert fitting.data.texts
        assert finding.found_on(fitting, "init") == expected
