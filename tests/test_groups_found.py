"""What a start reads of networks of the caller's own, and how rows that it has not read get their groups."""

import keras
import numpy as np
from sklearn.neighbors import NearestNeighbors
from small_fits import begin, sixty
from test_origins import SMALL, observed

from vade_tf.model import networks
from vade_tf.training import extension, recipe, regions
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
