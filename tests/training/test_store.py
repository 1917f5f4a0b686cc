"""A store is for one fit: what goes on from it is the same one, perhaps of more epochs."""

import dataclasses

import numpy as np
import pytest
import small_fits

from vade_tf import Memory, Settings, fit
from vade_tf.errors import InputError

pytestmark = pytest.mark.usefixtures("eager_file")
SETTINGS = Settings(**{**small_fits.SMALL, "pretrain_epochs": 1, "epochs": 2, "regroups": 0})


@pytest.mark.parametrize(("change", "name"), [({"seed": 4}, "seed"), ({"clusters": 2}, "clusters"), ({}, "rows")])
def test_another_fit_is_refused(rng, change, name):
    x, store = small_fits.sixty(rng), Memory()
    fit(x, SETTINGS, store=store)
    more = fit(x, dataclasses.replace(SETTINGS, epochs=4), store=store)
    assert [row["epoch"] for row in more.history] == [1, 1, 2, 3, 4]
    with pytest.raises(InputError, match=f"^store: expected the state of a fit with {name} "):
        fit(x if change else x[::-1].copy(), dataclasses.replace(SETTINGS, **change), store=store)
    np.testing.assert_array_equal(store.load("fingerprint")["seed"], "0")
