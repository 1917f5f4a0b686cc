"""What the pages say: every Python block of README and docs runs, and the site builds without a warning.

The blocks of a page run in order in one namespace, in a new folder that holds the small files the page names. A block
with a title, ```python title="vade_tf/...", shows a file; the test that runs it names its page.
"""

import os
import re
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from sklearn import datasets
from sklearn.utils import Bunch
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

import vade_tf
from vade_tf.report import evaluation
from vade_tf.serving.export import export

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.M | re.S)


def blocks(page: str) -> list[tuple[int, str, str]]:
    """The Python blocks of a page: (line of its first statement, what stands after "```python", the code)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 2, m[1].strip(), m[2]) for m in FENCE.finditer(text)]


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
RUN = [
    page for page in PAGES if page != "README.md" and any(not title for _, title, _ in blocks(page))
]  # test_readme.py


# What a page needs in the folder it runs in: fixtures.
NEEDED = {"docs/serving.md": ["served_model"], "docs/index.md": ["few_digits"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few_digits(monkeypatch):
    """The first 150 of scikit-learn's digits: that the page runs is what is asked, and not how well."""
    digits = datasets.load_digits()
    monkeypatch.setattr(datasets, "load_digits", lambda: Bunch(images=digits.images[:150]))


@pytest.fixture
def served_model(folder, monkeypatch):
    """runs/mnist/export/1 of a small model, and who answers for TensorFlow Serving at localhost:8500."""
    shape = {"n_features": 784, "latent_dim": 3, "hidden": (16, 8)}
    export(vade_tf.VaDE(vade_tf.build_encoder(**shape), vade_tf.build_decoder(**shape), 10), "runs/mnist/export")
    signatures = tf.saved_model.load("runs/mnist/export/1").signatures

    class Answers(PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            response = PredictResponse()
            for name, value in signatures[request.model_spec.signature_name](**inputs).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(1))
    add_PredictionServiceServicer_to_server(Answers(), server)
    port, channel = server.add_insecure_port("127.0.0.1:0"), grpc.insecure_channel
    server.start()
    monkeypatch.setattr(grpc, "insecure_channel", lambda address: channel(f"127.0.0.1:{port}"))
    yield
    server.stop(None)


@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.long if "tutorials" in p else ()) for p in RUN])
def test_the_python_of_the_page_runs(page, folder, request, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)  # no page tells of this bound
    for fixture in NEEDED.get(page, []):
        request.getfixturevalue(fixture)
    begun, names = time.perf_counter(), {"__name__": "__main__"}
    for line, title, code in blocks(page):
        if not title:
            exec(compile("\n" * (line - 1) + code, str(ROOT / page), "exec"), names)
    with capsys.disabled():
        print(f"[{page}: {time.perf_counter() - begun:.0f} s]", end=" ", flush=True)


def test_a_block_that_is_not_run_here_is_run_by_the_test_that_names_its_page():
    tests = [path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name != Path(__file__).name]
    for page in PAGES:
        for line, title, _ in blocks(page):
            assert not title or re.fullmatch(r'title="vade_tf/\S+\.py"', title), f"{page}:{line}: {title}"
            assert not title or any(Path(page).name in test for test in tests), f"{page}:{line}: no test runs {title}"


def test_the_site_builds_without_a_warning_and_without_tensorflow(tmp_path):
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "tensorflow.py").write_text("raise RuntimeError('the site imports TensorFlow')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "poison"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    api = (tmp_path / "site" / "api" / "index.html").read_text()
    documented = set(re.findall(r'id="vade_tf\.(\w+)"', api))
    assert set(vade_tf.__all__) - documented == set(), "docs/api.md leaves out public names"
    pages = {path.relative_to(ROOT / "docs") for path in ROOT.glob("docs/**/*.md")}
    built = {page for page in pages if (tmp_path / "site" / page.with_suffix("") / "index.html").exists()}
    assert pages - built == {Path("index.md")}
    for page in pages:
        html = tmp_path / "site" / ("" if page.stem == "index" else page.with_suffix("")) / "index.html"
        assert not re.search(r"(src|href)=\"https://(fonts|cdn|unpkg)", html.read_text()), f"{page} needs a network"
