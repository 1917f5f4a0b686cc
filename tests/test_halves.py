"""Groups that either half of many columns shows, in their own units: taken where the code has none so sure."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf import Settings, begin
from vade_tf.data.observing import observe
from vade_tf.training import groups, halves


@pytest.fixture(scope="module")
def expressed():
    """Rows of 600 columns of one unit, forty of which vary more, by three groups; and the groups: [90, 600], [90]."""
    r = np.random.default_rng(0)
    y = r.choice(3, 90)
    x = r.normal(5, 0.5, (90, 600))
    x[:, :40] += r.normal(0, 2, (3, 40))[y]
    return x, y


def fitting(x, **more):
    return begin(x, Settings(clusters=3, hidden=(16,), latent_dim=2, **more))


def test_groups_are_those_of_the_columns_that_vary_most(expressed):
    """The autoencoder is untrained, so its code has none."""
    x, y = expressed
    fit = fitting(x)
    assert adjusted_rand_score(y, halves.groups(fit.model, fit.data.rows, 3, 0)) > 0.95


def test_noise_has_no_groups(rng):
    fit = fitting(rng.normal(size=(90, 600)))
    assert halves.groups(fit.model, fit.data.rows, 3, 0) is None


def test_groups_that_half_of_the_columns_shows_alone_are_not_sure(expressed, rng):
    """One column has three far levels: one half shows these, the other half noise."""
    x = rng.normal(size=(90, 600))
    x[:, 0] += 30 * expressed[1]
    fit = fitting(x)
    assert halves.groups(fit.model, fit.data.rows, 3, 0) is None


def test_groups_that_the_code_has_as_surely_are_left_to_it(expressed, monkeypatch):
    x, y = expressed
    fit = fitting(x)
    monkeypatch.setattr(
        halves, "view_reader", lambda *_: lambda rows: (np.eye(3, dtype="f4")[y] + 0 * rows[:, :3], None)
    )
    assert halves.groups(fit.model, fit.data.rows, 3, 0) is None


def test_missing_cells_are_like_their_columns(expressed, rng):
    x, y = expressed
    fit = fitting(observe(pd.DataFrame(np.where(rng.random(x.shape) < 0.1, np.nan, x)).add_prefix("gene ")))
    assert np.isnan(fit.data.x).any()
    assert adjusted_rand_score(y, halves.groups(fit.model, fit.data.rows, 3, 0)) > 0.95


def test_a_start_takes_them_and_describes_them_on_the_code(expressed):
    x, y = expressed
    fit = fitting(x)
    found = groups.found_groups(fit, "init")
    assert adjusted_rand_score(y, found.groups) > 0.95
    z = fit.model.encode(fit.data.x)[0].numpy()
    for c in range(3):
        members = z[found.groups == c]
        np.testing.assert_allclose(found.pi[c], len(members) / 90, rtol=1e-5)
        np.testing.assert_allclose(found.mu[c], members.mean(axis=0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("more", [{"init": "kmeans"}, {"init": "gmm"}])
def test_other_starts_do_not_ask_them(expressed, more, monkeypatch):
    monkeypatch.setattr(halves, "groups", lambda *_: pytest.fail("asked"))
    groups.found_groups(fitting(expressed[0], **more), "init")
