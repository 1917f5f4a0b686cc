"""The exported SavedModel: what it answers, and how it is written."""

import shutil

import exported
import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from exported import assert_same, build, expected
from scipy.special import logsumexp
from tensorflow.core.protobuf import saved_model_pb2

from vade_tf.cli.main import main
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.runs.load import load
from vade_tf.serving import export as exporting
from vade_tf.serving.export import WARMUP, export
from vade_tf.serving.signatures import Served
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Clustering, FullGaussians

model = pytest.fixture(exported.model, scope="module")
folder = pytest.fixture(exported.folder, scope="module")
served = pytest.fixture(exported.served, scope="module")
asked = pytest.fixture(exported.asked, scope="module")
answers = pytest.fixture(exported.answers, scope="module")


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


@pytest.mark.filterwarnings("error")
def test_numbers_of_half_precision_are_served_unless_they_are_infinite(served):
    x = np.linspace(0, 1, 24).reshape(2, 12)
    np.testing.assert_allclose(served.predict(x.astype("f2")), served.predict(x.astype("f2").astype("f4")))
    with pytest.raises(InputError, match="^x: expected finite numbers"):
        served.predict(np.where(x > 0.9, np.inf, x).astype("f2"))


def gmvae_of_rows():
    shape = {"hidden": (8,), "n_features": 12}
    return GMVAE(
        networks.build_encoder(latent_dim=4, **shape), networks.build_decoder(latent_dim=2, **shape), 3, "gaussian"
    )


def clustering_of_rows():
    head = FullGaussians(3, 12)
    head.mu.assign(np.eye(3, 12) * 4)
    head.whiten.assign(np.tile(np.eye(12), (3, 1, 1)))
    return Clustering("gmm", head)


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


@pytest.mark.parametrize("make", [build, of_images, gmvae_of_rows, clustering_of_rows])
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_keras_own_export_and_tflite_take_a_model_that_was_never_called(make, tmp_path):
    model, x = make(), np.random.default_rng(0).integers(0, 256, (7, 12)).astype("f4")
    model.export(tmp_path / "export", verbose=False)
    lite = tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_keras_model(model).convert())
    (asks,), (gives,) = lite.get_input_details(), lite.get_output_details()
    lite.resize_tensor_input(asks["index"], x.shape)
    lite.allocate_tensors()
    lite.set_tensor(asks["index"], x)
    lite.invoke()
    want = model.predict(x, verbose=0)
    assert want.std() > 0.05
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(loaded.serve(x), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(lite.get_tensor(gives["index"]), want, rtol=1e-4, atol=1e-5)


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


def test_the_papers_network_is_stored_once_and_answers_the_same(tmp_path):
    model = build(784, 10, 10, networks.HIDDEN)
    served = Served(export(model, tmp_path))
    x = np.random.default_rng(0).integers(0, 256, (1100, 784)).astype("u1")  # more than one batch of `Served`
    want = expected(model, x)
    assert_same(served.classify(x), want["serving_default"])
    np.testing.assert_allclose(served.predict(x), want["serving_default"]["probabilities"], rtol=1e-5, atol=1e-5)
    for got, name in zip(served.encode(x), ("mean", "log_variance"), strict=True):
        np.testing.assert_allclose(got, want["encode"][name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served.reconstruct(x), want["reconstruct"]["x"], rtol=1e-5, atol=1e-5)
    assert served.score(x[:20]).shape == (20,)
    assert served.sample([3, 4]).shape == (2, 784)
    assert_same(served.signatures["classify_bytes"](x=tf.constant(x)), want["classify_bytes"])
    size = sum(file.stat().st_size for file in (tmp_path / "1").rglob("*") if file.is_file())
    assert size < 1.05 * 4 * model.count_params()


def test_a_model_of_mixed_precision_is_served_in_float32(tmp_path):
    mixed, plain = build(precision="mixed_bfloat16"), build()
    plain.set_weights(mixed.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (50, 12)).astype("u1")
    folder = export(mixed, tmp_path)
    assert_same(Served(folder).classify(x), expected(plain, x)["serving_default"])
    assert tf.bfloat16.as_datatype_enum not in types(folder)
    assert tf.float32.as_datatype_enum in types(folder)
    assert mixed.encoder.layers[1].compute_dtype == "bfloat16"  # the model itself is left as it was


def types(folder):
    """Data types of all operations in a SavedModel's functions."""
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    return {value.type for node in nodes for value in node.attr.values() if value.HasField("type")}


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


def test_a_version_is_whole_or_not_there_and_never_overwritten(model, folder, tmp_path, monkeypatch):
    before = (folder / "saved_model.pb").read_bytes()
    with pytest.raises(InputError, match=r"^version: .*vade/2 is there already .* take version=3"):
        export(model, folder.parent, version=2)
    assert (folder / "saved_model.pb").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["2"]
    with pytest.raises(InputError, match="^version: expected a whole number of at least 1, got 0"):
        export(model, tmp_path, version=0)

    def watched(*arguments):
        save(*arguments)
        assert not (tmp_path / "1").exists()  # nothing under the final name before everything is written
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    save = tf.saved_model.save
    monkeypatch.setattr(tf.saved_model, "save", watched)
    with pytest.raises(InputError, match=r"^/.*1 cannot be written \(No space left on device\)"):
        export(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^to: .*file cannot be written \(File exists\)"):
        export(model, tmp_path / "file")


def test_warm_up_asks_every_signature_once(folder, served, asked):
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    seen = []
    for record in tf.data.TFRecordDataset(str(folder / WARMUP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        served.signatures[request.model_spec.signature_name](**inputs)
        seen.append(request.model_spec.signature_name)
    assert sorted(seen) == sorted(asked)


def test_a_damaged_or_foreign_savedmodel_is_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:1000])
    with pytest.raises(InputError, match="1 is damaged or no export of a VaDE"):
        Served(tmp_path / "1")
    shutil.copytree(folder, tmp_path / "2")
    (tmp_path / "2" / "variables" / "variables.index").unlink()
    with pytest.raises(InputError, match="2 is damaged or no export of a VaDE"):
        Served(tmp_path / "2")
    module = tf.Module()
    module.f = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "3"))
    with pytest.raises(InputError, match="3 is damaged or no export of a VaDE"):
        Served(tmp_path / "3")


def test_load_refuses_a_savedmodel_and_names_what_takes_it(folder, tmp_path, capsys):
    with pytest.raises(InputError, match=r"expected a finished run folder .* loaded by vade_tf\.Served"):
        load(folder)
    assert main(["export", str(folder), "--to", str(tmp_path / "copy")]) == 2
    assert f"vade-tf export: {folder}: expected a finished run folder or a .keras file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_images_are_served_as_they_are_predicted(served, model):
    x = np.linspace(0, 255, 36, dtype="f4").reshape(3, 4, 3)
    np.testing.assert_allclose(served.predict(x), model.predict(x, verbose=0), atol=1e-5)


def test_no_rows_get_no_answers(served):
    found = served.classify(np.zeros((0, 12)))
    assert {name: each.shape for name, each in found.items()} == {
        "cluster": (0,), "probabilities": (0, 4), "confidence": (0,), "density": (0,)
    }  # fmt: skip
    with pytest.raises(InputError, match=r"^x: expected numbers of shape \(n, 12\), got float64 of shape \(0, 3, 4\)$"):
        served.classify(np.zeros((0, 3, 4)))


def test_a_seed_of_served_samples_is_a_whole_number_or_one_for_each(served):
    """Others would be cut off to one, and two of them draw the same."""
    for seed in (1.5, [1.0, 2.0], [1, 2, 3], "1"):
        with pytest.raises(InputError, match="^seed: expected a whole number, or one for each row, got "):
            served.sample([0, 1], seed=seed)
