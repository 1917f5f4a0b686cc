"""The SavedModel answers as the model does, in a process that knows TensorFlow alone."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas
import promised
import pytest

import vade_tf

READER = """
import json, sys
sys.modules["vade_tf"] = None  # whoever imports it, installed or not, fails
import numpy as np
import tensorflow as tf
x = np.load("x.npy")
answers = []
for folder in sys.argv[1:]:
    signatures = tf.saved_model.load(folder).signatures
    asked = {name: signatures[name](x=tf.constant(x)) for name in ("serving_default", "encode", "reconstruct", "score")}
    two = {"cluster": tf.constant([2, 0], tf.int64), "seed": tf.constant([1, 1], tf.int64)}
    asked["generate"] = signatures["generate"](**two)
    answers.append({name: {key: value.numpy().tolist() for key, value in each.items()} for name, each in asked.items()})
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def models(rows, tmp_path_factory):
    """An estimator of an array and a run of the same rows, and the SavedModels of both."""
    folder, x = tmp_path_factory.mktemp("models"), np.load(rows / "x.npy")
    estimator = vade_tf.VaDEClusterer(3, **promised.SETTINGS, random_state=0).fit(x)
    vade_tf.export(estimator.model_, folder / "estimator", version=1)
    run = folder / "run"
    promised.train("--data", rows / "x.npy", "--clusters", 3, "--out", run)
    promised.done("vade_tf", "export", run, "--to", folder / "served", "--version", 3)
    return estimator, run, [folder / "estimator" / "1", run / "export" / "1", folder / "served" / "3"]


@pytest.fixture(scope="module")
def answers(models, rows, tmp_path_factory):
    """What each SavedModel answers in a process without vade_tf."""
    away = tmp_path_factory.mktemp("away")
    np.save(away / "x.npy", np.load(rows / "x.npy"))
    told = {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(
        [sys.executable, "-c", READER, *map(str, models[2])], cwd=away, env=told, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_answers_are_those_of_predict_proba(models, answers, rows):
    x, (estimator, *_) = np.load(rows / "x.npy"), models
    found = answers[0]["serving_default"]
    np.testing.assert_allclose(found["probabilities"], estimator.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(np.sum(found["probabilities"], axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found["cluster"], np.argmax(found["probabilities"], axis=1))
    np.testing.assert_allclose(found["confidence"], np.max(found["probabilities"], axis=1), atol=1e-6)
    np.testing.assert_array_equal(estimator.predict(x), found["cluster"])


def test_answers_are_those_of_predict(models, answers, rows):
    """Both SavedModels of the run, that of its folder and that of `export`, say what `predict` says."""
    found = pandas.read_csv(io.StringIO(promised.done("vade_tf", "predict", models[1], "--data", rows / "x.npy")))
    np.testing.assert_allclose(answers[1]["serving_default"]["confidence"], found["confidence"], atol=1e-5)
    assert answers[1] == answers[2]


def test_every_signature_has_its_shape(answers):
    for each in answers:
        assert np.shape(each["encode"]["mean"]) == np.shape(each["encode"]["log_variance"]) == (300, 10)
        assert np.shape(each["reconstruct"]["x"]) == (300, 6)
        assert np.shape(each["score"]["elbo"]) == np.shape(each["serving_default"]["density"]) == (300,)
        assert np.shape(each["generate"]["x"]) == (2, 6)


def test_served_reads_it_in_python(models, answers, rows):
    served = vade_tf.Served(models[2][1])
    x = np.load(rows / "x.npy")
    np.testing.assert_allclose(served.predict(x), answers[1]["serving_default"]["probabilities"], atol=1e-5)
    assert served.sample([2, 0], seed=1).shape == (2, 6)
