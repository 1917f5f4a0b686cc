"""What the exported graph answers."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from exported import assert_same, build, expected
from scipy.special import logsumexp
from tensorflow.core.protobuf import saved_model_pb2

from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.serving import export as exporting
from vade_tf.serving.client import Served
from vade_tf.serving.export import export


def test_every_signature_answers_as_the_model(served, asked, answers):
    assert set(served.signatures) == set(asked) == set(answers)
    for name, inputs in asked.items():
        got = served.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        assert_same(got, answers[name])
    assert answers["serving_default"]["probabilities"].std() > 0.1  # not the same answer to everything


@pytest.mark.parametrize("hole", [np.nan, np.inf, 1e25])
def test_a_row_that_cannot_be_read_has_no_cluster(tmp_path, hole):
    """Some processors make 0 of NaN in a dense layer, as this encoder does; rows beside it are answered as always.

    Of the third the square is infinite in float32, and so are all distances.
    """
    x = keras.Input((12,))
    h = keras.ops.nan_to_num(x, posinf=0.0)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    model = VaDE(encoder, networks.build_decoder(12, hidden=(8,), latent_dim=2), 3)
    served = Served(export(model, tmp_path))
    x = np.random.default_rng(0).random((3, 12)).astype("f4")
    whole = {name: value.numpy() for name, value in served.signatures["serving_default"](x=tf.constant(x)).items()}
    x[1, 4] = hole
    found = {name: value.numpy() for name, value in served.signatures["serving_default"](x=tf.constant(x)).items()}
    assert found["cluster"].tolist() == [whole["cluster"][0], -1, whole["cluster"][2]]
    for name in ("probabilities", "confidence", "density"):
        assert np.isnan(found[name][1]).all()
        np.testing.assert_allclose(found[name][[0, 2]], whole[name][[0, 2]], rtol=1e-5)
    assert np.isnan(served.signatures["score"](x=tf.constant(x))["elbo"].numpy()).tolist() == [False, True, False]


def of_images():
    """A VaDE whose networks read and write images [3, 4, 1]."""

    def drawn(seed):
        return keras.initializers.RandomNormal(stddev=0.5, seed=seed)

    x, z = keras.Input((3, 4, 1)), keras.Input((2,))
    h = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, kernel_initializer=drawn(0))(x))
    encoder = keras.Model(x, [keras.layers.Dense(2, kernel_initializer=drawn(seed))(h) for seed in (1, 2)])
    image = keras.layers.Reshape((3, 4, 1))(keras.layers.Dense(12, kernel_initializer=drawn(3))(z))
    return VaDE(encoder, keras.Model(z, image), 4, scaling=keras.layers.Rescaling(1 / 255))


def test_networks_of_images_are_served_rows(tmp_path):
    model, x = of_images(), np.random.default_rng(0).integers(0, 256, (7, 12)).astype("u1")
    served = Served(export(model, tmp_path))
    assert_same(served.classify(x), expected(model, x)["serving_default"])
    np.testing.assert_allclose(served.reconstruct(x), expected(model, x)["reconstruct"]["x"], rtol=1e-5, atol=1e-5)
    assert served.score(x).shape == (7,)
    assert served.sample([0, 1]).shape == (2, 12)


def test_density_is_the_mixture_of_scipy(model, served, asked):
    x = asked["classify_bytes"]["x"]
    log_pi, mu, log_sigma2 = (t.numpy().astype("f8") for t in model.prior.parameters)
    want = [logsumexp(log_pi + oracles.log_normal(m, mu, np.exp(log_sigma2))) for m in model.encode(x)[0].numpy()]
    np.testing.assert_allclose(served.classify(x)["density"], want, rtol=1e-5)


def test_score_is_the_bound_and_does_not_depend_on_the_neighbours(model, folder, served, asked):
    x = asked["score"]["x"]
    score = served.score(x)
    np.testing.assert_array_equal(score, Served(folder).score(x))
    np.testing.assert_allclose(score[3:4], served.score(x[3:4]), rtol=1e-6)
    many = np.repeat(x, 4000, axis=0)
    terms = model.elbo_terms(many, np.random.default_rng(2).standard_normal((len(many), 3)).astype("f4"))
    bound = -np.reshape(terms["distortion"] + terms["rate_z"] + terms["rate_c"], (7, 4000))
    np.testing.assert_allclose(score, bound.mean(axis=1), atol=0.3 * bound.std(axis=1).max())


def test_samples_follow_their_component_and_their_seed(tmp_path):
    """With the identity for a decoder, samples are codes: 3,000 of a component have its mean and variance."""
    z = keras.Input((3,))
    decoder = keras.Model(z, keras.layers.Dense(3, kernel_initializer="identity")(z))
    model = VaDE(networks.build_encoder(3, 3, hidden=(4,)), decoder, 2, "gaussian")
    mu, sigma2 = np.array([[0.0, 1, 2], [5, 5, 5]]), np.array([[1.0, 1, 1], [0.1, 1, 4]])
    model.prior.assign([0.5, 0.5], mu, sigma2)
    served = Served(export(model, tmp_path))
    samples = served.sample(np.ones(3000), seed=3)
    np.testing.assert_allclose(samples.mean(axis=0), mu[1], atol=4 * np.sqrt(sigma2[1].max() / 3000))
    np.testing.assert_allclose(samples.var(axis=0), sigma2[1], rtol=4 * np.sqrt(2 / 3000))
    np.testing.assert_array_equal(samples, served.sample(np.ones(3000), seed=3))
    assert not np.any(samples == served.sample(np.ones(3000), seed=4))
    alone = served.sample([1], seed=[8])
    np.testing.assert_array_equal(served.sample([0, 1, 1], seed=[8, 8, 9])[1:2], alone)  # a seed a row: batch or not
    assert len(np.unique(served.sample([1, 1, 1], seed=8), axis=0)) == 3  # one seed for all: each row its own draw


def types(folder):
    """Data types of all operations in a SavedModel's functions."""
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    return {value.type for node in nodes for value in node.attr.values() if value.HasField("type")}


def test_a_model_of_mixed_precision_is_served_in_float32(tmp_path):
    mixed, plain = build(precision="mixed_bfloat16"), build()
    plain.set_weights(mixed.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (50, 12)).astype("u1")
    folder = export(mixed, tmp_path)
    assert_same(Served(folder).classify(x), expected(plain, x)["serving_default"])
    assert tf.bfloat16.as_datatype_enum not in types(folder)
    assert tf.float32.as_datatype_enum in types(folder)
    assert mixed.encoder.layers[1].compute_dtype == "bfloat16"  # the model itself is left as it was


def test_networks_with_operators_and_models_inside_are_served_in_float32(tmp_path):
    """An addition of Keras is no layer, and has no type of its own; a model's layers have one each."""
    half, x, z = {"dtype": "mixed_bfloat16"}, keras.Input((6,)), keras.Input((2,))
    inside = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6, **half)])
    h = keras.ops.relu(x + inside(x) * 2.0)
    heads = [keras.layers.Dense(2, **half)(h), keras.layers.Dense(2, **half)(h)]
    scaling = keras.layers.Rescaling(0.5, **half)
    model = VaDE(
        keras.Model(x, heads), keras.Model(z, keras.layers.Dense(6, **half)(z)), 3, "gaussian", scaling=scaling
    )
    copy = exporting.in_float32(model)
    assert {layer.compute_dtype for layer in (*copy.encoder._flatten_layers(), copy.scaling)} == {"float32"}
    rows = np.random.default_rng(0).normal(size=(5, 6)).astype("f4")
    served = Served(export(model, tmp_path / "served"))
    np.testing.assert_allclose(served.predict(rows), copy.predict(rows, verbose=0), atol=1e-6)
    np.testing.assert_allclose(served.predict(rows), model.predict(rows, verbose=0), atol=0.1)
