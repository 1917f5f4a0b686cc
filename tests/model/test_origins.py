"""Batch effects in the model: offsets of the decoder, which the encoder does not see, and cells grouped by type."""

import keras
import numpy as np
import pandas
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer
from vade_tf.model import networks
from vade_tf.model.counts import Counts, LogCounts
from vade_tf.model.vade import VaDE

WIDTH = 30


SMALL = {"latent_dim": 3, "hidden": (24,), "precision": "float32", "likelihood": "counts"}


def cells(n, seed=0, effect=1.5):
    """Counts of cells of three types from two labs that catch genes differently: (x [n, 30], type, lab).

    The first type is mostly of one lab, the last mostly of the other.
    """
    r = np.random.default_rng(seed)
    y = r.integers(3, size=n)
    lab = (r.random(n) < np.array([0.2, 0.5, 0.8])[y]).astype(int)
    caught = np.exp(effect * np.random.default_rng(99).normal(size=(2, WIDTH)))
    mean = np.where(np.arange(WIDTH) % 3 == y[:, None], 2.7, 0.6) * caught[lab]
    mean *= 100 / mean.sum(axis=1, keepdims=True)
    return r.negative_binomial(3.0, 3.0 / (3.0 + mean)).astype("f4"), y, lab


def annotated(n, seed=0):
    anndata = pytest.importorskip("anndata")
    x, y, lab = cells(n, seed)
    obs = pandas.DataFrame(
        {"kind": np.array(["B", "T", "NK"])[y], "lab": np.array(["Leiden", "Oslo"])[lab]},
        index=[f"cell{i}" for i in range(n)],
    )
    var = pandas.DataFrame(index=[f"gene{j}" for j in range(WIDTH)])
    return anndata.AnnData(scipy.sparse.csr_matrix(x), obs=obs, var=var), y, lab


def model_of(x, origins=2):
    """A small VaDE of counts with offsets that are drawn."""
    first = LogCounts(100.0, np.zeros(WIDTH), np.ones(WIDTH))
    encoder = networks.build_encoder(WIDTH, 3, (8,), "float32", first=first)
    model = VaDE(encoder, networks.build_decoder(WIDTH, 3, (8,), "float32"), 2, Counts(100.0), origins=origins)
    if origins:
        drawn = np.random.default_rng(5).normal(size=(origins, WIDTH))
        model.origins.set_weights([drawn.astype("f4")])
    return model


def with_origins(x, lab):
    return np.concatenate([x, lab[:, None]], axis=1).astype("f4")


def test_the_bound_is_of_the_decoder_shifted_by_the_origin():
    x, _, lab = cells(20)
    model = model_of(x)
    noise = np.random.default_rng(1).normal(size=(20, 3)).astype("f4")
    terms = model.elbo_terms(with_origins(x, lab), noise)
    m, log_s2 = (part.numpy() for part in model.encode(x))
    offsets = model.origins.get_weights()[0].astype("f8")
    out = model.decoder(m + np.exp(0.5 * log_s2) * noise).numpy() + (offsets - offsets.mean(axis=0))[lab]
    mean = x.sum(axis=1, keepdims=True) * scipy.special.softmax(out.astype("f8"), axis=1)
    expected = -scipy.stats.nbinom.logpmf(x, 1, 1 / (1 + mean)).sum(axis=1)
    np.testing.assert_allclose(terms["distortion"], expected, rtol=1e-4)


def test_the_encoder_and_rows_without_an_origin_know_nothing_of_it():
    x, _, lab = cells(20)
    model, told = model_of(x), with_origins(x, lab)
    other = with_origins(x, 1 - lab)
    for rows in (told, other):
        np.testing.assert_array_equal(model.encode(rows)[0], model.encode(x)[0])
        np.testing.assert_array_equal(model.predict_on_batch(rows), model.predict_on_batch(x))
    assert np.abs(model.elbo(told).numpy() - model.elbo(other).numpy()).min() > 0
    plain = model_of(x, 0)
    plain.set_weights([weight for weight in model.get_weights() if weight.shape != (2, WIDTH)])
    np.testing.assert_allclose(model.elbo(x), plain.elbo(x), rtol=1e-6)


def test_a_model_with_origins_is_saved_and_loaded(tmp_path):
    x, _, lab = cells(20)
    model, told = model_of(x), with_origins(x, lab)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.elbo(told), model.elbo(told))


@pytest.mark.long
def test_cells_are_grouped_by_type_and_not_by_lab():
    adata, y, _ = annotated(600)
    told = VaDEClusterer(3, batch="lab", epochs=20, pretrain_epochs=10, random_state=0, **SMALL).fit(adata)
    assert adjusted_rand_score(y, told.labels_) > 0.85
    plain = VaDEClusterer(3, epochs=20, pretrain_epochs=10, random_state=0, **SMALL).fit(adata)
    assert adjusted_rand_score(y, plain.labels_) < 0.6  # or the test would show nothing
    new, kinds, _ = annotated(300, seed=1)
    del new.obs["lab"]
    assert adjusted_rand_score(kinds, told.predict(new)) > 0.85
