"""P of many rows from some of them, P on the code as training goes on, and texts' further autoencoders, which vote."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfTransformer
from small_fits import Steps, begin, sixty

from vade_tf.model.networks import build_decoder, build_encoder
from vade_tf.training import partitions, spectral
from vade_tf.training.fitting import begin as begin_any
from vade_tf.training.settings import Settings

KMEANS = KMeans(n_init=1)


@pytest.fixture
def far(rng):
    """Three far groups of 400 rows each in two spaces: spaces, and the group of each row."""
    y = np.arange(1200) % 3
    return [10 * np.eye(3, d)[y] + rng.normal(size=(1200, d)) for d in (3, 5)], y


def test_rows_that_were_not_read_get_the_p_of_their_neighbours(far, rng):
    spaces, y = far
    read, others = np.arange(1200) < 400, np.arange(1200) >= 400
    P = 0.85 * np.eye(3)[y] + 0.05  # no group is sure of its rows
    others = [space[others] for space in spaces]
    for known, expected in ((P[read], P[400:]), (rng.dirichlet([1, 1, 1], 400), None)):
        found = partitions.extension([space[read] for space in spaces], known, 0)(others)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        if expected is not None:
            np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("init", ["auto", "kmeans", "spectral"])
def test_a_start_of_many_rows_reads_some_and_has_p_of_all(rng, monkeypatch, init):
    monkeypatch.setattr(partitions, "MAX_ROWS_READ", 150)
    y = np.arange(400) % 3
    x = (12 * np.eye(3, 9)[y] + rng.normal(size=(400, 9))).astype("f4")
    fitting = begin(x, init=init)
    found = partitions.found_start(fitting, "init")
    assert (found.P.shape, found.P.dtype) == ((400, 3), np.float16)
    np.testing.assert_allclose(found.P.sum(axis=1, dtype="f8"), 1, atol=2e-3)
    groups = found.P.argmax(axis=1)
    assert init != "auto" or all(len(np.unique(groups[y == c])) == 1 for c in range(3))
    np.testing.assert_array_equal(partitions.found_start(fitting, "init").P, found.P)


@pytest.mark.parametrize(
    ("init", "widths"), [("auto", [9]), ("gmm", [2]), ("kmeans", [2]), ("spectral", [2, 8])], ids=str
)
def test_each_start_reads_its_space(rng, monkeypatch, init, widths):
    """A table's its standardised columns; else the code, and the layer before it."""
    x, seen, own = sixty(rng), [], partitions.initialization.partition
    monkeypatch.setattr(
        partitions.initialization,
        "partition",
        lambda method, spaces, *more: seen.append(spaces) or own(method, spaces, *more),
    )
    reporter = Steps()
    fitting = begin(x, init=init, seed=6, reporter=reporter, likelihood="gaussian")
    found = partitions.found_start(fitting, "init")
    (spaces,) = seen
    assert [space.shape[1] for space in spaces[: len(widths)]] == widths
    first = (x - x.mean(axis=0)) / x.std(axis=0) if init == "auto" else fitting.model.encode(x)[0]
    np.testing.assert_allclose(spaces[0], first, atol=1e-4)
    assert (found.P.shape, found.P.dtype) == ((60, 3), np.float16)
    z = fitting.model.encode(x)[0].numpy()  # the mixture is of the code, whatever the start reads
    np.testing.assert_allclose(
        found.mu, found.P.T.astype("f8") @ z / found.P.sum(axis=0, dtype="f8")[:, None], atol=0.01
    )
    assert reporter.phases == [("init", spectral.N_DRAWS if init == "spectral" else 1)]


TEXTS = {"clusters": 3, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "precision": "float32"}


def texts(rng):
    """TF-IDF of 120 texts of three subjects in 400 words, sparse."""
    words = rng.random((120, 400)) < np.where(np.arange(400) % 3 == np.arange(120)[:, None] % 3, 0.2, 0.02)
    return TfidfTransformer().fit_transform(scipy.sparse.csr_matrix(words.astype("f4"))).astype("f4")


@pytest.fixture
def fitting(rng, monkeypatch):
    monkeypatch.setattr(spectral, "N_DRAWS", 2)
    return begin_any(texts(rng), Settings(**TEXTS))


def test_few_texts_alone_have_further_autoencoders(fitting, rng, monkeypatch):
    assert fitting.data.kind == "texts"
    assert partitions.has_ensemble(fitting)
    assert not partitions.has_ensemble(begin_any(texts(rng), Settings(**{**TEXTS, "pretrain_epochs": 0})))
    assert not partitions.has_ensemble(begin_any(rng.normal(size=(120, 400)), Settings(**TEXTS)))
    monkeypatch.setattr(partitions, "MAX_TEXTS", 119)
    assert not partitions.has_ensemble(fitting)


def test_their_draws_are_kept_and_taken_again(fitting, monkeypatch, eager):
    draws = partitions.text_draws(fitting)
    assert len(draws) == 4
    assert all(draw.shape == (120,) and set(draw.tolist()) <= {0, 1, 2} for draw in draws)
    monkeypatch.setattr(partitions.autoencoder, "pretrain", lambda fitting: pytest.fail("it was trained again"))
    np.testing.assert_array_equal(partitions.text_draws(fitting), draws)


def test_they_read_the_words_that_most_texts_have(rng, fitting, monkeypatch, eager):
    read, own = [], partitions.begin
    monkeypatch.setattr(partitions, "N_WORDS", 50)
    monkeypatch.setattr(
        partitions, "begin", lambda data, *given, **more: read.append(data.x) or own(data, *given, **more)
    )
    partitions.text_draws(fitting)
    x = texts(np.random.default_rng(0)).toarray()
    often = np.sort((x > 0).sum(axis=0))[::-1][:50]
    for each in read:
        assert np.sort((each[:] > 0).sum(axis=0))[::-1].tolist() == often.tolist()
    assert len(read) == partitions.N_AUTOENCODERS - 1


@pytest.mark.parametrize(("init", "expected"), [(None, ("code", "spectral")), (KMEANS, ("code", KMEANS))], ids=str)
def test_counts_with_networks_of_the_callers_own_start_on_the_code(rng, init, expected):
    pair = build_encoder(9, 2, (8,)), build_decoder(9, 2, (8,))
    settings = Settings(clusters=3, likelihood="counts", batch_size=30)
    fitting = begin_any(rng.poisson(5, (60, 9)).astype("f4"), settings, networks=pair, init=init)
    assert partitions.rule(fitting) == expected
