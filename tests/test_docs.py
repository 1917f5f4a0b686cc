"""What the pages say: every Python block of README and docs runs, the site builds without a warning, links work.

The blocks of a page run in order in one namespace, in a new folder that holds the small files the page names. A block
with a title, ```python title="vade_tf/...", shows a file: tests/test_architecture.py runs these.
"""

import os
import re
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
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
from vade_tf.metrics import accuracy
from vade_tf.serving.export import export

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.M | re.S)
OUTSIDE = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")  # of the site


def blocks(page: str) -> list[tuple[int, str, str]]:
    """The Python blocks of a page: (line of its first statement, what stands after "```python", the code)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 2, m[1].strip(), m[2]) for m in FENCE.finditer(text)]


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))
RUN = [page for page in PAGES if any(not title for _, title, _ in blocks(page))]
FEW = ["few_digits"]
NEEDED = {  # fixtures
    "docs/guide/embeddings.md": ["few_embeddings"],
    "docs/guide/serving.md": ["served_model"],
    "docs/index.md": FEW,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few_digits(monkeypatch):
    """The first 150 of scikit-learn's digits: that the page runs is what is asked, and not how well."""
    digits = datasets.load_digits()
    monkeypatch.setattr(datasets, "load_digits", lambda: Bunch(images=digits.images[:150], target=digits.target[:150]))


@pytest.fixture
def few_embeddings(folder):
    """embeddings.npy and titles.txt, of 200 rows."""
    x = np.random.default_rng(0).normal(size=(200, 16))
    np.save("embeddings.npy", x / np.linalg.norm(x, axis=1, keepdims=True))
    Path("titles.txt").write_text("\n".join(["late trains", "rice and beans", "a late bus", "bean soup"] * 50))


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


def run(page: str, names: dict, every: list[tuple[int, str, str]]) -> None:
    for line, title, code in every:
        if not title:
            exec(compile("\n" * (line - 1) + code, str(ROOT / page), "exec"), names)


@pytest.mark.parametrize("page", RUN)
def test_the_python_of_the_page_runs(page, folder, request):
    for fixture in NEEDED.get(page, []):
        request.getfixturevalue(fixture)
    run(page, {"__name__": "__main__"}, blocks(page))


@pytest.mark.long
def test_the_first_lines_of_readme_find_the_digits_in_a_minute(folder):
    names: dict = {"__name__": "__main__"}
    (first,) = blocks("README.md")
    begun = time.process_time()
    run("README.md", names, [first])
    seconds = time.process_time() - begun  # of both cores: what else the machine does counts for nothing
    assert accuracy(datasets.load_digits().target, names["groups"]) >= 0.90
    assert seconds < 2 * 60


def test_the_tables_of_the_api_page_have_every_public_name():
    table = "\n".join(line for line in (ROOT / "docs/api.md").read_text().splitlines() if line.startswith("| `"))
    assert set(vade_tf.__all__) - set(re.findall(r"`(\w+)", table)) == set()


@pytest.mark.parametrize("page", OUTSIDE)
def test_links_of_pages_outside_the_site_lead_to_files_and_headings(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", (ROOT / page).read_text()):
        target = (ROOT / page).parent / link if link else ROOT / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{link}#{anchor}"


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
    for html in (tmp_path / "site").rglob("index.html"):
        assert not re.search(r"(src|href)=\"https://(fonts|cdn|unpkg)", html.read_text()), f"{html} needs a network"
