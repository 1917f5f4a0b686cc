"""What `auto` means on machines that are not at hand."""

import keras
import pytest
import tensorflow as tf

from vade_tf.training import device


@pytest.mark.parametrize(
    ("capability", "precision"),
    [(None, "float32"), ((6, 1), "float32"), ((7, 0), "mixed_float16"), ((7, 5), "mixed_float16"),
     ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")],
)  # fmt: skip
def test_a_gpu_decides_by_its_compute_capability(monkeypatch, capability, precision):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    details = {"compute_capability": capability, "device_name": "Card"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert device.resolve_precision("auto") == precision
    assert device.resolve_precision("float32") == "float32"
    assert device.resolve_jit("auto") is True
    assert device.resolve_jit("off") is False
    assert device.describe() == "Card"


@pytest.mark.parametrize(
    ("flags", "precision"),
    [((), "float32"), (("avx2", "avx512f"), "float32"), (("avx512_bf16",), "mixed_bfloat16"),
     (("amx_bf16", "amx_tile"), "mixed_bfloat16")],
)  # fmt: skip
def test_a_cpu_decides_by_its_instructions(monkeypatch, flags, precision):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    assert device.resolve_precision("auto") == precision
    assert device.resolve_precision("mixed_float16") == "mixed_float16"
    assert device.resolve_jit("auto") is False
    assert device.resolve_jit("on") is True


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_auto_follows_the_global_policy_where_it_was_set(monkeypatch, policy):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(device, "cpu_flags", frozenset)
    monkeypatch.setattr(keras.config, "dtype_policy", lambda: keras.DTypePolicy(policy))
    assert device.resolve_precision("auto") == policy
    assert device.resolve_precision("float32") == "float32"
