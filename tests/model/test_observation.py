"""How a model reads and writes rows: forms, units, the learned variance, batch effects; and what it refuses."""

from types import SimpleNamespace

import anndata
import keras
import numpy as np
import pandas
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer
from vade_tf.errors import InputError
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks
from vade_tf.model import prior as inputs
from vade_tf.model.counts import Counts, LogCounts
from vade_tf.model.mixed import Mixed
from vade_tf.model.networks import FusedAdam
from vade_tf.model.observation import MAX_LOG_S2, MIN_LOG_S2, MIN_NOISE, NOISE_RATE, bounded
from vade_tf.model.vade import VaDE


@pytest.fixture
def x(rng):
    return rng.uniform(size=(8, 12)).astype("f4")


@pytest.mark.parametrize("form", [(8, 12), (8, 3, 4), (8, 3, 4, 1), (8, 12, 1)])
def test_rows_of_any_form_are_the_same_rows(small_model, x, form):
    model = small_model(scaling=keras.layers.Rescaling(2.0, 1.0, dtype="float32"))
    np.testing.assert_allclose(model.scale(x.reshape(form)), 2 * x + 1, rtol=1e-6)
    assert model.scale((255 * x).astype("u1").reshape(form)).dtype == tf.float32
    assert model.n_features == 12


def test_units_are_given_back(small_model, x):
    np.testing.assert_array_equal(small_model().unscale(x), x)
    for scaling in (keras.layers.Rescaling(0.5, -3.0), keras.layers.Rescaling(np.arange(1.0, 13), np.arange(12.0))):
        model = small_model(scaling=scaling)
        np.testing.assert_allclose(model.unscale(model.scale(x)), x, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match=r"^scaling: expected keras.layers.Rescaling, whose inverse is known"):
        small_model(scaling=keras.layers.Activation("tanh")).unscale(x)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_row_far_away_has_a_cluster_and_a_low_score_in_any_precision(small_model, rng, precision):
    """Half precision ends at 65,504: sums of what is farther would be infinite, and their differences NaN."""
    model, x = small_model("gaussian", precision=precision), rng.normal(size=(3, 12)).astype("f4")
    x[1] = 1e6
    gamma, bound = model.predict(x, verbose=0), model.elbo(x).numpy()
    assert np.isfinite(gamma).all()
    assert np.isfinite(bound).all()
    assert bound.argmin() == 1
    assert np.isfinite(model.decode(np.full((1, 3), 1e6, "f4"))).all()


def test_a_row_whose_variance_ran_away_finds_back(small_model, x):
    """The bound of it is one that steps can be made from, and its gradient says which way."""
    model = small_model()
    head = model.encoder.get_layer("z_log_var")
    head.bias.assign(np.full(head.bias.shape, 41.0))
    with tf.GradientTape() as tape:
        terms = model.elbo_terms(x, np.ones((len(x), 3), "f4"))
        loss = tf.reduce_mean(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
    assert float(loss) < 1e6
    assert np.all(tape.gradient(loss, head.bias).numpy() > 0)
    head.bias.assign(np.full(head.bias.shape, -3.0))
    log_s2 = model.encode(x)[1]
    np.testing.assert_array_equal(log_s2, model.encoder(x)[1])  # what is within reach stays as it is
    head.bias.assign(np.full(head.bias.shape, np.inf))
    assert np.all(np.isfinite(model.encode(x)[1]))


def test_the_log_variance_of_a_code_is_bounded_and_its_gradient_is_not():
    log_s2 = tf.constant([-1e30, MIN_LOG_S2 - 1, -3.0, 0.0, 5.0, MAX_LOG_S2 + 1, 1e30, np.inf])
    with tf.GradientTape() as tape:
        tape.watch(log_s2)
        found = bounded(log_s2)
    np.testing.assert_array_equal(found, np.clip(log_s2, MIN_LOG_S2, MAX_LOG_S2))
    np.testing.assert_array_equal(tape.gradient(found, log_s2)[:-1], np.ones(7))


@pytest.mark.parametrize("shared", [False, True])
def test_training_moves_the_variance_to_the_decoders_error(rng, shared):
    """One step: a share NOISE_RATE of the way, for each feature or for all alike; never below MIN_NOISE."""
    x = (rng.normal(size=(50, 4)) * [3, 1, 0.1, 0]).astype("f4")
    decoder = networks.build_decoder(4, 2, (4,))
    decoder.set_weights([np.zeros_like(w) for w in decoder.get_weights()])  # its mean is 0
    kind = likelihoods.Gaussian(shared=shared)
    model = VaDE(networks.build_encoder(4, 2, (4,)), decoder, 2, kind)
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=50, epochs=1, verbose=0)
    error = (x**2).mean(axis=0)
    error = np.full(4, error.mean()) if shared else error
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), 1 + NOISE_RATE * (error - 1), rtol=1e-4)
    for _ in range(600):
        model._learn_variance(x, np.zeros_like(x))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), np.maximum(error, MIN_NOISE), rtol=1e-2)
    before = np.array(model.log_sigma2_x)
    model.evaluate(x, verbose=0)
    np.testing.assert_array_equal(before, model.log_sigma2_x)


def test_devices_learn_the_mean_of_what_each_of_them_knows(small_model, monkeypatch):
    model, mine, theirs = small_model("gaussian"), np.full(12, 3.0, "f4"), np.full(12, 5.0, "f4")
    theirs[[1, 3]] = mine[[2, 3]] = np.nan
    other = np.stack([np.nan_to_num(theirs), ~np.isnan(theirs)]).astype("f4")
    context = SimpleNamespace(num_replicas_in_sync=2, all_reduce=lambda how, both: both + other)
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    monkeypatch.setattr(likelihoods.Gaussian, "variance", lambda *given: tf.constant(mine))
    model.noise_rate = 1.0
    model._learn_variance(tf.zeros((1, 12)), tf.zeros((1, 12)))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x)[:5], [4, 3, 5, 1, 4], rtol=1e-5)


def test_a_batch_that_knows_nothing_of_a_column_leaves_its_variance(rng):
    kind, encoder = Mixed([("gaussian", 3)]), networks.build_encoder(3, 2, (4,), first=networks.Filled([0, 0, 0], [1]))
    model = VaDE(encoder, networks.build_decoder(3, 2, (4,)), 2, kind)
    model.set_variance([0.2, 0.3, 0.4])
    x = rng.normal(size=(8, 3)).astype("f4")
    x[:, 1] = np.nan
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=8, epochs=3, verbose=0)
    sigma2 = np.exp(model.log_sigma2_x.numpy())
    assert sigma2[1] == pytest.approx(0.3)
    assert sigma2[0] != pytest.approx(0.2)
    assert np.all(np.isfinite(sigma2))


def test_offsets_count_also_where_both_forms_of_rows_were_traced(rng):
    counts = rng.poisson(3, (8, 12)).astype("f4")
    model = VaDE(networks.build_encoder(12, 3, (8,)), networks.build_decoder(12, 3, (8,)), 4, Counts(30.0), n_batches=2)
    model.batch_effects.offsets.assign(rng.normal(size=(2, 12)))
    told = np.concatenate([counts, np.arange(8)[:, None] % 2], axis=1).astype("f4")
    model.compile(FusedAdam(1e-3))
    expected = [model.evaluate(rows, verbose=0, return_dict=True)["elbo"] for rows in (counts, told)]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)])
    def bound(rows):
        return tf.reduce_mean(model.elbo(rows))

    assert abs(float(bound(counts)) - float(bound(told))) > 1e-3
    np.testing.assert_allclose(bound(told), np.mean(model.elbo(told)), rtol=1e-5)
    np.testing.assert_allclose(bound(counts), np.mean(model.elbo(counts)), rtol=1e-5)
    assert abs(expected[0] - expected[1]) > 1e-3


Y = np.arange(8) % 4
OTHER_ROWS = {
    "none": lambda x: None,
    "a list": lambda x: x.tolist(),
    "a table": pandas.DataFrame,
    "sparse rows": scipy.sparse.csr_array,
    "an AnnData": anndata.AnnData,
    "masked cells": lambda x: np.ma.masked_array(x, x > 0.5),
    "another width": lambda x: x[:, 1:],
    "no rows": lambda x: x[:0],
}


@pytest.mark.parametrize("form", OTHER_ROWS.values(), ids=OTHER_ROWS.keys())
def test_rows_that_are_no_array_of_the_width_are_refused_by_every_verb(form, small_model, x):
    model = small_model()
    for verb in (model.fit, model.evaluate, model.predict):
        with pytest.raises(InputError, match=r"^x: expected an array of rows \[n, 12\]"):
            verb(form(x), verbose=0)


def test_images_of_other_sides_are_refused(x):
    pixels = keras.Input((3, 4, 1))
    flat = keras.layers.Flatten()(pixels)
    encoder = keras.Model(pixels, [keras.layers.Dense(2)(flat), keras.layers.Dense(2)(flat)])
    model = VaDE(encoder, networks.build_decoder(12, 2, (4,)), 3)
    assert model.predict(x.reshape(8, 3, 4), verbose=0).shape == (8, 3)
    with pytest.raises(InputError, match="^x: expected images of"):
        model.predict(x.reshape(8, 4, 3), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y}, "^y: expected no labels"),
        ({"y": Y, "hints": False}, "^y: expected no labels"),
        ({"y": np.where(Y > 1, 1, -1)}, "^y: expected no labels"),  # labels of two classes
        ({"y": Y, "hints": Y}, "^hints: expected hints or y, got both"),
        ({"hints": np.array(["a"] * 8)}, "^hints: expected whole numbers"),
        ({"hints": np.eye(4)[Y].astype(int)}, "^hints: expected whole numbers"),
        ({"hints": Y + 1}, "^hints: expected .* got 1 to 4$"),
        ({"hints": Y - 2}, "^hints: expected .* got -2 to 1$"),
        ({"hints": np.full((8, 4), 0.5)}, "^hints: expected probabilities whose rows sum to 1"),
        ({"sample_weight": np.ones(8)}, "^sample_weight: expected none"),
        ({"validation_data": (np.zeros((8, 12)), Y)}, "^validation_data: expected rows alone"),
        (
            {"validation_data": tf.data.Dataset.from_tensors((np.zeros((8, 12)), Y))},
            "^validation_data: expected rows alone",
        ),
    ],
)
def test_labels_and_hints_that_cannot_be_used(small_model, x, arguments, message, eager):
    with pytest.raises(InputError, match=message):
        small_model().fit(x, verbose=0, **arguments)


@pytest.mark.parametrize("trained", [False, True])
def test_labels_in_batches_are_refused_unless_they_are_hints(trained, small_model, x, eager):
    model, pairs = small_model(), tf.data.Dataset.from_tensors((x, Y))
    if trained:
        model.fit(pairs, hints=True, verbose=0)
    with pytest.raises(InputError, match="^x: expected batches of x alone"):
        model.fit(pairs, verbose=0)
    with pytest.raises(InputError, match="^y: expected no labels"):
        model.train_on_batch(x, Y)


def test_hints_of_no_weight_are_refused(small_model, x):
    with pytest.raises(InputError, match="^guide_weight: expected a weight above 0"):
        small_model(guide_weight=0.0).fit(x, hints=Y, verbose=0)


@pytest.mark.parametrize("name", ["loss", "metrics"])
def test_a_loss_of_ones_own_is_refused(name, small_model):
    with pytest.raises(InputError, match=f"^{name}: expected none"):
        small_model().compile("adam", **{name: "mse"})


@pytest.mark.parametrize("kind", ["i8", "f4"])
def test_hints_become_probabilities(kind):
    """A group that is not known is a row of zeros."""
    found = inputs.hints_of_batch(np.array([2, -1]) if kind == "i8" else np.eye(3, dtype="f4")[:2], 3)
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 0, 0]] if kind == "i8" else np.eye(3)[:2])


def test_a_hint_beyond_the_components_is_no_number_where_nothing_checks_it(small_model, x, monkeypatch):
    """XLA drops the check, and one_hot makes such a hint none."""
    model = small_model(compiled=False)
    model.compile(FusedAdam(1e-3), run_eagerly=True)
    monkeypatch.setattr(tf.debugging, "assert_less", lambda *_: None)
    for hint, finite in ((3, True), (4, False)):
        batches = tf.data.Dataset.from_tensors((x, np.full(8, hint)))
        assert np.isfinite(model.fit(batches, hints=True, verbose=0).history["loss"]).all() == finite


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
    x, y, lab = cells(n, seed)
    obs = pandas.DataFrame(
        {"kind": np.array(["B", "T", "NK"])[y], "lab": np.array(["Leiden", "Oslo"])[lab]},
        index=[f"cell{i}" for i in range(n)],
    )
    var = pandas.DataFrame(index=[f"gene{j}" for j in range(WIDTH)])
    return anndata.AnnData(scipy.sparse.csr_matrix(x), obs=obs, var=var), y, lab


def model_of(x, n_batches=2):
    """A small VaDE of counts with offsets that are drawn."""
    first = LogCounts(100.0, np.zeros(WIDTH), np.ones(WIDTH))
    encoder = networks.build_encoder(WIDTH, 3, (8,), "float32", first=first)
    model = VaDE(encoder, networks.build_decoder(WIDTH, 3, (8,), "float32"), 2, Counts(100.0), n_batches=n_batches)
    if n_batches:
        drawn = np.random.default_rng(5).normal(size=(n_batches, WIDTH))
        model.batch_effects.set_weights([drawn.astype("f4")])
    return model


def with_batch(x, lab):
    return np.concatenate([x, lab[:, None]], axis=1).astype("f4")


def test_the_bound_is_of_the_decoder_shifted_by_its_batch():
    x, _, lab = cells(20)
    model = model_of(x)
    noise = np.random.default_rng(1).normal(size=(20, 3)).astype("f4")
    terms = model.elbo_terms(with_batch(x, lab), noise)
    m, log_s2 = (part.numpy() for part in model.encode(x))
    offsets = model.batch_effects.get_weights()[0].astype("f8")
    out = model.decoder(m + np.exp(0.5 * log_s2) * noise).numpy() + (offsets - offsets.mean(axis=0))[lab]
    mean = x.sum(axis=1, keepdims=True) * scipy.special.softmax(out.astype("f8"), axis=1)
    expected = -scipy.stats.nbinom.logpmf(x, 1, 1 / (1 + mean)).sum(axis=1)
    np.testing.assert_allclose(terms["distortion"], expected, rtol=1e-4)


def test_the_encoder_and_rows_without_a_batch_know_nothing_of_it():
    x, _, lab = cells(20)
    model, told = model_of(x), with_batch(x, lab)
    other = with_batch(x, 1 - lab)
    for rows in (told, other):
        np.testing.assert_array_equal(model.encode(rows)[0], model.encode(x)[0])
        np.testing.assert_array_equal(model.predict_on_batch(rows), model.predict_on_batch(x))
    assert np.abs(model.elbo(told).numpy() - model.elbo(other).numpy()).min() > 0
    plain = model_of(x, 0)
    plain.set_weights([weight for weight in model.get_weights() if weight.shape != (2, WIDTH)])
    np.testing.assert_allclose(model.elbo(x), plain.elbo(x), rtol=1e-6)


def test_a_model_with_batch_is_saved_and_loaded(tmp_path):
    x, _, lab = cells(20)
    model, told = model_of(x), with_batch(x, lab)
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
