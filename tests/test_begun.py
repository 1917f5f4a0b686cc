"""A store is for one fit: what goes on from it is the same one, perhaps of more epochs."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse
import small_fits

from vade_tf import Memory, Settings, fit
from vade_tf.data.sparse import OriginRows, SparseRows
from vade_tf.errors import InputError
from vade_tf.systems import registry
from vade_tf.training import begun, distribute, recipe
from vade_tf.training.store import State

pytestmark = pytest.mark.usefixtures("eager_file")
SETTINGS = Settings(**{**small_fits.SMALL, "pretrain_epochs": 1, "epochs": 2, "regroups": 0})


@pytest.fixture(scope="module")
def x():
    return small_fits.sixty(np.random.default_rng(0))


@pytest.fixture
def store(x, kept):
    """The store of a fit that has ended."""
    found = Memory()
    found.kept = {name: dict(arrays) for name, arrays in kept.items()}
    return found


@pytest.fixture(scope="module")
def kept(x):
    found = Memory()
    fit(x, SETTINGS, store=found)
    return found.kept


CHANGED = {
    "other rows": (lambda x: x[::-1].copy(), {}, {}, "rows"),
    "fewer rows": (lambda x: x[:50], {}, {}, "rows"),
    "another seed": (lambda x: x, {"seed": 4}, {}, "seed"),
    "another restart": (lambda x: x, {"restart": 1}, {}, "restart"),
    "other clusters": (lambda x: x, {"clusters": 2}, {}, "clusters"),
    "hints": (lambda x: x, {}, {"hints": np.where(np.arange(60) < 9, np.arange(60) % 3, -1)}, "hints"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_another_fit_is_refused_and_leaves_the_store_as_it_was(x, store, kept, case):
    change, settings, more, name = CHANGED[case]
    message = f"^store: .* is of a fit to other rows or settings, with {name} .* instead of .*; give a new Memory"
    with pytest.raises(InputError, match=message) as refused:
        fit(change(x), dataclasses.replace(SETTINGS, **settings), store=store, **more)
    assert "store: store:" not in str(refused.value)
    assert {name: list(arrays) for name, arrays in store.kept.items()} == {n: list(a) for n, a in kept.items()}


def test_another_likelihood_and_another_system_are_another_fit(rng, x, store):
    counted, other = rng.poisson(3.0, (60, 9)).astype("f4"), Memory()
    fit(counted, dataclasses.replace(SETTINGS, likelihood="gaussian"), store=other)
    with pytest.raises(InputError, match="^store: .* with likelihood gaussian instead of counts"):
        fit(counted, dataclasses.replace(SETTINGS, likelihood="counts"), store=other)
    with pytest.raises(InputError, match="^store: .* with system vade instead of vae_gmm"):
        registry.fit("vae_gmm", x, SETTINGS, store=store)


def test_rows_that_were_taken_for_something_else_are_another_fit(x, store):
    store.kept["begun"]["kind"] = np.array("principal components")
    with pytest.raises(InputError, match="^store: .* with kind principal components instead of table"):
        fit(x, SETTINGS, store=store)


def test_a_note_of_an_older_version_does_not_say_what_rows_were_taken_for(x, store):
    del store.kept["begun"]["kind"]
    assert len(fit(x, SETTINGS, store=store).history) == 3
    with pytest.raises(InputError, match="^store: .* with seed 0 instead of 4"):
        fit(x, dataclasses.replace(SETTINGS, seed=4), store=store)


def test_the_same_fit_may_go_on_for_more_epochs(x, store):
    again = fit(x, SETTINGS, store=store)
    assert len(again.history) == 3
    more = fit(x, dataclasses.replace(SETTINGS, epochs=4), store=store)
    assert [row["epoch"] for row in more.history] == [1, 1, 2, 3, 4]


def test_a_state_of_an_older_version_has_no_note_and_goes_on(x, store):
    del store.kept["begun"]
    assert len(fit(x, SETTINGS, store=store).history) == 3
    assert store.load("begun") is None  # nobody knows what it is one of


def test_without_a_state_what_was_noted_is_noted_anew(x, store):
    """An autoencoder may be lent to a fit with another seed."""
    store.kept = {"pretrained": store.kept["pretrained"], "begun": store.kept["begun"]}
    recipe.begin(x, dataclasses.replace(SETTINGS, seed=4), store=store)
    assert str(store.load("begun")["seed"]) == "4"


@pytest.mark.parametrize("found", ["clusters", "further", "start"])
def test_what_a_fit_has_found_before_its_first_state_is_of_that_fit(x, store, found):
    """Without it, the groups of one fit would be those of another to as many rows."""
    store.kept = {"begun": store.kept["begun"], found: store.kept["start"]}
    with pytest.raises(InputError, match="^store: .* with seed 0 instead of 4"):
        recipe.begin(x, dataclasses.replace(SETTINGS, seed=4), store=store)


@pytest.mark.parametrize("note", [{}, {"seed": np.array(3)}])
def test_a_note_that_no_fit_has_written_is_damaged(x, store, note):
    store.kept["begun"] = note if not note else {**store.kept["begun"], **note}
    with pytest.raises(InputError, match="^store: begun is damaged .expected seed, restart, clusters, rows"):
        fit(x, SETTINGS, store=store)


def test_rows_of_any_kind_are_known_by_a_few_of_them(monkeypatch, rng):
    read = []

    class Rows:
        shape, dtype = (10_000_000, 20), np.dtype("f4")

        def __len__(self):
            return self.shape[0]

        def __getitem__(self, rows):
            read.extend(rows)
            return np.zeros((len(rows), 20), "f4")

    settings, store = SETTINGS.resolve(60, 9), Memory()
    begun.check(store, Rows(), settings, {}, goes_on=False)
    assert 0 < len(read) <= begun.ROWS
    dense = rng.poisson(0.3, (300, 6)).astype("f4")
    noted = []
    for rows in (dense, SparseRows(scipy.sparse.csr_array(dense)), OriginRows(dense, np.arange(300) % 2)):
        begun.check(store, rows, settings, {}, goes_on=False)
        noted.append(str(store.load("begun")["rows"]))
    assert noted[0] == noted[1] != noted[2]


def test_of_several_workers_the_chief_alone_compares(x, monkeypatch):
    """A worker's own store, which is not asked, may hold anything."""
    asked = []
    monkeypatch.setattr(distribute, "from_chief", lambda strategy, find: asked.append(find))
    other = Memory()
    State("fit", 1, [], []).save(other)
    other.save("begun", {"seed": np.array("9")})
    recipe.begin(x, SETTINGS, store=other)
    assert len(asked) == 1
    with pytest.raises(InputError, match="^store: begun is damaged"):
        asked[0]()
