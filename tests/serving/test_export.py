"""What an exported graph answers, how a version is written, and programs that share no code with this package."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from exported import assert_same, build, expected
from tensorflow.core.protobuf import saved_model_pb2

from vade_tf import VaDE
from vade_tf.cli.main import main
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.serving.client import Served
from vade_tf.serving.export import WARMUP, export


def test_warm_up_asks_every_signature_once(folder, served, asked):
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    seen = []
    for record in tf.data.TFRecordDataset(str(folder / WARMUP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        served.signatures[request.model_spec.signature_name](**inputs)
        seen.append(request.model_spec.signature_name)
    assert sorted(seen) == sorted(asked)


TESTS = Path(__file__).resolve().parents[1]


def tensor_names(folder):
    """{signature: ({input: tensor name}, {output: tensor name})}, read from the file's own protocol buffer."""
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0]
    return {
        name: ({k: v.name for k, v in signature.inputs.items()}, {k: v.name for k, v in signature.outputs.items()})
        for name, signature in graph.signature_def.items()
        if not name.startswith("__")
    }


def test_the_command_exports_the_file_of_a_model(model, asked, answers, tmp_path, capsys):
    model.save(tmp_path / "m.keras")
    assert main(["export", str(tmp_path / "m.keras"), "--to", str(tmp_path / "v"), "--version", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "v" / "3")
    assert_same(Served(tmp_path / "v" / "3").classify(asked["serving_default"]["x"]), answers["serving_default"])


OPENVINO = """
import sys
import numpy as np, openvino
network = openvino.Core().read_model(sys.argv[1])
compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
answer = compiled(np.load(sys.argv[2]))
np.savez(sys.argv[3], **{name: answer[name] for port in compiled.outputs for name in port.names})
assert not any(name.startswith(("tensorflow", "keras", "vade_tf")) for name in sys.modules)
"""


def test_openvino_without_tensorflow(folder, asked, answers, tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed")
    np.save(tmp_path / "x.npy", asked["serving_default"]["x"])
    files = [str(folder), str(tmp_path / "x.npy"), str(tmp_path / "y.npz")]
    done = subprocess.run([sys.executable, "-c", OPENVINO, *files], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "y.npz") as got:
        assert_same(dict(got), answers["serving_default"])


@pytest.mark.long
def test_a_c_program_against_the_libraries_in_the_wheel(folder, asked, answers, tmp_path):
    """Every signature, in one run of the graph."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc or clang) on the PATH")
    library, program = tf.sysconfig.get_lib(), str(tmp_path / "answer")
    flags = [f"-I{tf.sysconfig.get_include()}", f"-L{library}", f"-Wl,-rpath,{library}", "-Wl,--no-as-needed"]
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    source = str(TESTS / "native" / "answer.c")
    subprocess.run([compiler, "-Wall", "-Werror", *flags, source, "-o", program, *libraries], check=True, timeout=120)
    command, read = [program, str(folder)], {}
    for signature, (inputs, outputs) in tensor_names(folder).items():
        for name, tensor in inputs.items():
            value, file = asked[signature][name], tmp_path / f"{signature}-{name}"
            value.tofile(file)
            kind = str(tf.as_dtype(value.dtype).as_datatype_enum)
            command += ["feed", tensor.split(":")[0], kind, ",".join(map(str, value.shape)), str(file)]
        for name, tensor in outputs.items():
            file = read[signature, name] = tmp_path / f"{signature}-{name}-answer"
            command += ["fetch", *tensor.split(":"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    for signature, want in answers.items():
        shapes = {name: (value.shape, "i8" if name == "cluster" else "f4") for name, value in want.items()}
        got = {n: np.fromfile(read[signature, n], kind).reshape(shape) for n, (shape, kind) in shapes.items()}
        assert_same(got, want)


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """(gRPC port, REST port) of TensorFlow Serving with the export and its warm-up."""
    program = shutil.which("tensorflow_model_server")
    if program is None:
        pytest.skip("tensorflow_model_server is not on the PATH")
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        grpc_port, rest_port = one.getsockname()[1], two.getsockname()[1]
    options = [f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--model_name=vade"]
    options += [f"--model_base_path={folder.parent}", "--enable_batching=true"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as file:
        process = subprocess.Popen([program, *options], stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while not available(rest_port):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
                pytest.fail(f"tensorflow_model_server ended: {log.read_text()[-2000:]}")
            assert time.monotonic() < deadline, log.read_text()[-2000:]
        yield grpc_port, rest_port
    finally:
        process.terminate()
        process.wait(timeout=30)


def available(rest_port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{rest_port}/v1/models/vade", timeout=5) as response:
            return json.load(response)["model_version_status"][0]["state"] == "AVAILABLE"
    except OSError:  # not there yet
        return False


def test_tensorflow_serving_by_rest(server, asked, answers):
    for signature, inputs in asked.items():
        body = {"signature_name": signature, "inputs": {name: value.tolist() for name, value in inputs.items()}}
        url = f"http://127.0.0.1:{server[1]}/v1/models/vade:predict"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=30) as response:
            got = json.load(response)["outputs"]
        assert_same(got if len(answers[signature]) > 1 else dict.fromkeys(answers[signature], got), answers[signature])


def test_a_version_is_whole_or_not_there_and_never_overwritten(model, folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"^version: expected a new one, got .*vade/2, which may be in use; give 3"):
        export(model, folder.parent, version=2)
    with pytest.raises(InputError, match="^version: expected a whole number of at least 1"):
        export(model, tmp_path, version=0)
    with pytest.raises(InputError, match="^model: expected a VaDE"):
        export(keras.Sequential(), tmp_path)

    def fails(*arguments):
        save(*arguments)
        assert not (tmp_path / "1").exists()  # nothing under the final name before everything is written
        raise OSError(28, "No space left on device")

    save = tf.saved_model.save
    monkeypatch.setattr(tf.saved_model, "save", fails)
    with pytest.raises((OSError, InputError), match="No space left on device"):
        export(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_to_onnx_answers_as_the_saved_model(model, asked, answers, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    file = export(model, tmp_path, version=2, format="onnx")
    assert file == tmp_path / "2.onnx"
    session = onnxruntime.InferenceSession(file.read_bytes())
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, asked["serving_default"]), strict=True))
    assert set(found) == {"cluster", "probabilities", "confidence", "density"}
    assert_same(found, answers["serving_default"])
    with pytest.raises(InputError, match="^version: expected a new one.*; give 3$"):
        export(model, tmp_path, version=2, format="onnx")
    with pytest.raises(InputError, match="^format: expected one of saved_model, onnx"):
        export(model, tmp_path, format="tflite")


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


def test_a_model_of_mixed_precision_is_served_in_float32(tmp_path):
    mixed, plain = build(precision="mixed_bfloat16"), build()
    plain.set_weights(mixed.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (50, 12)).astype("u1")
    assert_same(Served(export(mixed, tmp_path)).classify(x), expected(plain, x)["serving_default"])
    assert mixed.encoder.layers[1].compute_dtype == "bfloat16"  # the model itself is left as it was
