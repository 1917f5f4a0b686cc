"""How a version is written, and read by programs that share no code with this package."""

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
from exported import assert_same
from tensorflow.core.protobuf import saved_model_pb2

from vade_tf import VaDE, build_decoder
from vade_tf.errors import InputError
from vade_tf.serving.export import WARMUP, export, in_float32


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


@pytest.mark.long
def test_saved_model_cli_and_the_command_in_fresh_processes(model, asked, answers, tmp_path):
    model.save(tmp_path / "m.keras")
    program = "import sys; from vade_tf.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "export", str(tmp_path / "m.keras"), "--to", str(tmp_path / "v")]
    done = subprocess.run([*command, "--version", "3"], capture_output=True, text=True, cwd=TESTS.parent, timeout=120)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(tmp_path / "v" / "3"), "")
    np.save(tmp_path / "x.npy", asked["serving_default"]["x"])
    cli = [str(Path(sys.executable).with_name("saved_model_cli")), "run", "--dir", str(tmp_path / "v" / "3")]
    cli += ["--tag_set", "serve", "--signature_def", "serving_default", "--inputs", f"x={tmp_path / 'x.npy'}"]
    done = subprocess.run([*cli, "--outdir", str(tmp_path / "out")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    got = {file.stem: np.load(file) for file in (tmp_path / "out").glob("*.npy")}
    assert_same(got, answers["serving_default"])


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


def test_what_a_wrapper_holds_is_served_in_float32_too():
    x = keras.Input((6,))
    h = keras.layers.Reshape((2, 3))(x)
    h = keras.layers.TimeDistributed(keras.layers.Dense(4, dtype="mixed_bfloat16"))(h)
    h = keras.layers.Flatten(dtype="float32")(h)
    encoder = keras.Model(x, [keras.layers.Dense(2, dtype="float32", name=name)(h) for name in ("m", "s")])
    copy = in_float32(VaDE(encoder, build_decoder(6, 2, (4,)), 3))
    (wrapper,) = [layer for layer in copy.encoder.layers if isinstance(layer, keras.layers.TimeDistributed)]
    assert wrapper.layer.compute_dtype == "float32"


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
