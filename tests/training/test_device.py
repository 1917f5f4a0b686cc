"""What `auto` means on machines that are not at hand, that it runs here; who is in a cluster, by TF_CONFIG or Slurm."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.observations import observe
from vade_tf.errors import InputError
from vade_tf.training import build, device, recipe
from vade_tf.training.settings import Settings


@pytest.mark.parametrize(
    ("capability", "precision"),
    [(None, "float32"), ((6, 1), "float32"), ((7, 0), "mixed_float16"), ((7, 5), "mixed_float16"),
     ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")],
)  # fmt: skip
def test_a_gpu_decides_by_its_compute_capability(monkeypatch, capability, precision):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    details = {"compute_capability": capability, "device_name": "Card"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert device.resolve_precision("auto") == precision
    assert device.resolve_precision("float32") == "float32"
    assert device.resolve_jit("auto") is True
    assert device.resolve_jit("off") is False
    assert device.describe() == "Card"


def test_unlike_gpus_get_what_the_least_able_of_them_can(monkeypatch):
    able = {"one": (8, 0), "other": (7, 5)}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(able))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": able[gpu]})
    assert device.resolve_precision("auto") == "mixed_float16"


@pytest.mark.parametrize(
    ("flags", "precision"),
    [((), "float32"), (("avx2", "avx512f"), "float32"), (("avx512_bf16",), "mixed_bfloat16"),
     (("amx_bf16", "amx_tile"), "mixed_bfloat16")],
)  # fmt: skip
def test_a_cpu_decides_by_its_instructions(monkeypatch, flags, precision):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    assert device.resolve_precision("auto") == precision
    assert device.resolve_precision("mixed_float16") == "mixed_float16"
    assert device.resolve_jit("auto") is False
    assert device.resolve_jit("on") is True


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_auto_follows_the_global_policy_where_it_was_set(monkeypatch, policy):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(device, "cpu_flags", frozenset)
    monkeypatch.setattr(keras.config, "dtype_policy", lambda: keras.DTypePolicy(policy))
    assert device.resolve_precision("auto") == policy
    assert device.resolve_precision("float32") == "float32"


@pytest.mark.long
def test_what_a_gpu_of_before_2020_is_given_runs_on_this_cpu(rng):
    """float16 under XLA with a scaled loss, in both phases: the losses fall and the groups are found."""
    groups = np.arange(90) % 3
    x = (6 * np.repeat(np.eye(3), 3, axis=1)[groups] + rng.normal(size=(90, 9))).astype("f4")
    shape = {"clusters": 3, "hidden": (16, 8), "latent_dim": 2, "batch_size": 45, "init": "kmeans", "regroups": 0}
    lengths = {"pretrain_epochs": 4, "epochs": 4, "learning_rate": 1e-2}
    compiled, computed = set(), set()

    def note(*_):
        compiled.add(noted.model.jit_compile)
        computed.update(layer.compute_dtype for layer in noted.model._flatten_layers() if layer.name == "encoder_0")

    noted = keras.callbacks.LambdaCallback(on_epoch_end=note)
    settings = Settings(**shape, **lengths, precision="mixed_float16", jit="on")
    found = recipe.fit(x, settings, callbacks=[noted])
    model, rows = found.model, found.history
    assert (computed, compiled, model.jit_compile) == ({"float16"}, {True}, False)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert adjusted_rand_score(model.predict(x, verbose=0).argmax(axis=1), groups) == 1.0
    assert rows[3]["loss"] < rows[0]["loss"]
    assert rows[7]["distortion"] < rows[4]["distortion"]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_fit_in_half_precision_answers_as_a_model_in_float32_does(rng, precision):
    x = np.repeat(np.eye(3, 9, dtype="f4"), 20, axis=0) + 0.1 * rng.normal(size=(60, 9)).astype("f4")
    lengths = {"hidden": (16,), "pretrain_epochs": 1, "epochs": 1, "guide_epochs": 0, "init": "kmeans"}
    found = recipe.fit(x, Settings(clusters=3, precision=precision, **lengths))
    single = build.build_model(observe(x), found.model.likelihood, found.settings, "float32")
    single.set_weights(found.model.get_weights())
    np.testing.assert_array_equal(found.model.predict(x, verbose=0), single.predict(x, verbose=0))
    np.testing.assert_array_equal(found.model.elbo(x), single.elbo(x))


def test_half_precision_is_not_shared_among_devices():
    """Keras skips a step by what the first of them finds; and a fit of several may go on on one."""
    assert device.resolve_precision("mixed_float16", shared=True) == "float32"
    assert device.resolve_precision("mixed_bfloat16", shared=True) == "mixed_bfloat16"
    assert device.resolve_precision("mixed_float16") == "mixed_float16"


@pytest.mark.parametrize(("policy", "kept"), [("mixed_bfloat16", "mixed_bfloat16"), ("float64", "auto")])
def test_a_run_keeps_a_precision_that_it_can_read_back(monkeypatch, policy, kept):
    """A global policy may be one that is no setting."""
    monkeypatch.setattr(keras.config, "dtype_policy", lambda: keras.DTypePolicy(policy))
    assert device.pinned("auto") == kept
    assert Settings(clusters=2, precision=device.pinned("auto")).precision == kept
    assert device.pinned("float32") == "float32"


HOSTS = ["a:1", "b:1", "c:1"]


def told(hosts=None, kind="worker", index=1) -> str:
    cluster = {"worker": HOSTS if hosts is None else hosts, "ps": ["d:1"]}
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_tf_config_names_the_workers_and_this_one(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", told())
    found = device.find_cluster()
    assert found.cluster_spec().as_dict()["worker"] == HOSTS
    assert (found.task_type, found.task_id) == ("worker", 1)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", told(index=3), told(kind="ps", index=0), told(hosts=3), told(kind="chief", index=0)],
)
def test_a_malformed_tf_config_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="^distribute: expected TF_CONFIG") as error:
        device.find_cluster()
    assert "\n" not in str(error.value)


def test_a_slurm_step_names_the_workers(monkeypatch):
    step = {"PROCID": "2", "STEP_NODELIST": "n[1-2]", "STEP_NUM_TASKS": "4", "STEP_TASKS_PER_NODE": "2(x2)"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    found = device.find_cluster()
    assert len(found.cluster_spec().as_dict()["worker"]) == 4


def test_without_a_cluster_multiworker_is_one_line(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="^distribute: expected TF_CONFIG .*neither"):
        device.strategy("multiworker")
