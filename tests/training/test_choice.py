"""What rows are taken for, and which likelihood they get."""

import numpy as np
import pytest
from small_files import chosen, taken

from vade_tf.data.observations import observe
from vade_tf.errors import InputError
from vade_tf.model.counts import Counts
from vade_tf.model.likelihood import Bernoulli, Gaussian
from vade_tf.training import recipe
from vade_tf.training.settings import Settings


class Rare(Counts):
    """A likelihood of a user's own."""

    name = "rare"


@pytest.mark.parametrize(
    ("x", "asked", "name"),
    [
        (np.array([[0.0, 1.0], [0.5, 0.25]]), "auto", "bernoulli"),
        (np.array([[0, 255], [3, 4]], "u1"), "auto", "bernoulli"),
        (np.array([[0, 7], [3, 4]], "u1"), "auto", "bernoulli"),
        (np.array([[1, 0], [0, 0], [1, 1]], bool), "auto", "bernoulli"),
        (np.linspace(0, 1, 40).reshape(20, 2), "auto", "gaussian"),  # as much as any value of a table
        (np.linspace(0, 1, 40).reshape(10, 2, 2), "auto", "bernoulli"),  # images of 2 x 2 pixels
        (np.linspace(0, 0.1, 40).reshape(20, 2), "auto", "gaussian"),
        (np.array([[0, 255], [3, 4]], "i4"), "auto", "gaussian"),
        (np.array([[0.0, 1.01], [0.5, 0.25]]), "auto", "gaussian"),
        (np.array([[-0.1, 1.0], [0.5, 0.25]]), "auto", "gaussian"),
        (np.array([[0.0, 1.0], [0.5, 0.25]]), "gaussian", "gaussian"),
        (np.array([[0, 255], [3, 4]], "u1"), "gaussian", "gaussian"),
    ],
)
def test_what_rows_get(x, asked, name):
    assert chosen(taken(x, asked), asked).name == name


WORDS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"]


@pytest.mark.parametrize(
    ("settings", "name", "standardised"),
    [
        ({}, "gaussian", False),
        ({"sublinear_tf": True, "norm": None}, "gaussian", True),
        ({"binary": True, "use_idf": False, "norm": None}, "bernoulli", None),
        ({"norm": "l1"}, "gaussian", True),
    ],
)
def test_texts_as_scikit_learn_counts_them(settings, name, standardised, rng):
    """Weights of words are no probabilities; rows of one length are directions, whose features have one unit."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(200)]
    x = TfidfVectorizer(**settings).fit_transform(texts)
    found = observe(x)
    kind = chosen(found)
    assert kind.name == name
    assert chosen(observe(x.toarray())).name == name
    if standardised is not None:
        scale, offset = kind.units(found)
        assert (np.ndim(scale) == 1) == standardised
        scaled = x.toarray() * scale + offset
        np.testing.assert_allclose(np.mean(scaled**2), 1.0, rtol=1e-3)  # unit variance, or the square on average


def test_weights_of_few_words_are_no_answers(rng):
    """A title of four words has weights around a half, which vary nearly as much as on and off."""
    words = np.array([rng.permutation(200)[:4] for _ in range(1000)])
    weights = np.zeros((1000, 200))
    np.put_along_axis(weights, words, rng.uniform(0.8, 1.2, (1000, 4)), axis=1)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    assert isinstance(chosen(observe(weights)), Gaussian)
    assert isinstance(chosen(observe(np.sign(weights))), Bernoulli)  # the same number of words in each


def test_rows_that_a_likelihood_cannot_take():
    with pytest.raises(InputError, match="^likelihood: expected values .* got values from 0 to 2"):
        chosen(taken(np.eye(3) * 2, "bernoulli"), "bernoulli")
    with pytest.raises(InputError, match="^likelihood: expected counts, whole numbers from 0 up"):
        chosen(taken(np.eye(3) / 2, "counts"), "counts")


@pytest.mark.parametrize("written", ["counts", Counts(), Rare()])
def test_a_count_likelihood_gets_its_size_from_the_rows_however_it_is_written(written):
    x = np.random.default_rng(0).poisson(3.0, (60, 9))
    rows = taken(x, written)
    likelihood = chosen(rows, written)
    assert (rows.kind, likelihood.size) == ("counts", np.median(x.sum(axis=1)))
    assert chosen(rows, Counts(7)).size == 7


def test_the_same_fit_whether_a_likelihood_is_an_object_or_a_name():
    x = np.random.default_rng(0).poisson(np.repeat([[1.0] * 9, [5.0] * 9], 30, axis=0))
    one, other = (recipe.fit(x, Settings(clusters=2, epochs=2, likelihood=each)).model for each in ("counts", Counts()))
    for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_kind_and_a_likelihood_have_to_go_together():
    for settings, argument in (
        ({"kind": "table", "likelihood": "counts"}, "kind"),
        ({"kind": "counts", "likelihood": "gaussian"}, "likelihood"),
    ):
        with pytest.raises(InputError) as refused:
            taken(np.eye(4), **settings)
        assert refused.value.argument == argument
