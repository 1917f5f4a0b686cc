"""Further autoencoders of texts, which read the commonest words and vote on the groups."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import TfidfTransformer

from vade_tf.training import ensemble, spectral
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings

SMALL = {"clusters": 3, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "precision": "float32"}


def texts(rng):
    """TF-IDF of 120 texts of three subjects in 400 words, sparse."""
    words = rng.random((120, 400)) < np.where(np.arange(400) % 3 == np.arange(120)[:, None] % 3, 0.2, 0.02)
    return TfidfTransformer().fit_transform(scipy.sparse.csr_matrix(words.astype("f4"))).astype("f4")


@pytest.fixture
def fitting(rng, monkeypatch):
    monkeypatch.setattr(spectral, "N_DRAWS", 2)
    return begin(texts(rng), Settings(**SMALL))


def test_few_texts_alone_have_further_autoencoders(fitting, rng, monkeypatch):
    assert fitting.data.kind == "texts"
    assert ensemble.wanted(fitting)
    assert not ensemble.wanted(begin(texts(rng), Settings(**{**SMALL, "pretrain_epochs": 0})))
    assert not ensemble.wanted(begin(rng.normal(size=(120, 400)), Settings(**SMALL)))
    monkeypatch.setattr(ensemble, "MAX_TEXTS", 119)
    assert not ensemble.wanted(fitting)


def test_their_draws_are_kept_and_taken_again(fitting, monkeypatch, eager):
    draws = ensemble.draws(fitting)
    assert len(draws) == 4
    assert all(draw.shape == (120,) and set(draw.tolist()) <= {0, 1, 2} for draw in draws)
    monkeypatch.setattr(ensemble.autoencoder, "pretrain", lambda fitting: pytest.fail("it was trained again"))
    np.testing.assert_array_equal(ensemble.draws(fitting), draws)


def test_they_read_the_words_that_most_texts_have(rng, fitting, monkeypatch, eager):
    read, own = [], ensemble.begin
    monkeypatch.setattr(ensemble, "N_WORDS", 50)
    monkeypatch.setattr(
        ensemble, "begin", lambda data, *given, **more: read.append(data.x) or own(data, *given, **more)
    )
    ensemble.draws(fitting)
    x = texts(np.random.default_rng(0)).toarray()
    often = np.sort((x > 0).sum(axis=0))[::-1][:50]
    for each in read:
        assert np.sort((each[:] > 0).sum(axis=0))[::-1].tolist() == often.tolist()
    assert len(read) == ensemble.N_AUTOENCODERS - 1
