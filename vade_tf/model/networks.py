"""The paper's networks as functional Keras models: encoder D-500-500-2000-(10, 10), decoder 10-2000-500-500-D.

The wide layers compute in the given precision. The heads of the code compute in float32, and all that leaves a network
is float32. Networks of one's own: `check` says what they have to be.
"""

import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.seeding import fold

HIDDEN = (500, 500, 2000)
TINY = 1e-30


def build_encoder(
    n_features: int,
    latent_dim: int = 10,
    hidden: Sequence[int] = HIDDEN,
    precision: str | None = None,
    seed: int = 0,
    first: keras.layers.Layer | None = None,
) -> keras.Model:
    """Dense encoder of q(z|x) = N(m, diag s2).

    The log-variance head starts small (s2 close to exp(-3), nearly the same for every x): with the usual
    initialisation its noise wrecks a pretrained code in the first epoch.

    Args:
        n_features: D, the width of x.
        latent_dim: width of the code.
        hidden: widths of the hidden layers, first to last.
        precision: Keras dtype policy of the wide layers, e.g. "mixed_bfloat16"; default the global one,
            `keras.config.dtype_policy()`, which is float32 unless it was set.
        seed: of the initial weights; same seed, same weights.
        first: layer that x goes through first, such as `Filled` or `counts.LogCounts`; default none.

    Returns:
        Model from x [batch, D] to (m, log s2), both [batch, latent_dim] in float32.
    """
    x = h = keras.Input((n_features,), name="x")
    if first is not None:
        h = first(x)
    for i, width in enumerate(hidden):
        h = dense(width, f"encoder_{i}", (seed, 0, i), activation="relu", dtype=precision)(h)
    m = dense(latent_dim, "z_mean", (seed, 0, len(hidden)))(h)
    start = keras.initializers.Constant(-3.0)
    log_s2 = dense(latent_dim, "z_log_var", (seed, 0, len(hidden) + 1), gain=0.1, bias_initializer=start)(h)
    return keras.Model(x, [m, log_s2], name="encoder")


def build_decoder(
    n_features: int,
    latent_dim: int = 10,
    hidden: Sequence[int] = HIDDEN,
    precision: str | None = None,
    seed: int = 0,
    outputs: int = 1,
) -> keras.Model:
    """Dense decoder of p(x|z), the encoder's mirror image.

    Args:
        n_features, latent_dim, hidden, precision, seed: as for `build_encoder`; `hidden` is used last to first.
        outputs: parameters of p(x|z) for each feature, see `likelihood.Likelihood`.

    Returns:
        Model from z [batch, latent_dim] to [batch, D * outputs] in float32: Bernoulli logits, or Gaussian means.
    """
    z = h = keras.Input((latent_dim,), name="z")
    for i, width in enumerate(reversed(hidden)):
        h = dense(width, f"decoder_{i}", (seed, 1, i), activation="relu", dtype=precision)(h)
    h = dense(outputs * n_features, "x_parameters", (seed, 1, len(hidden)), dtype=precision)(h)
    return keras.Model(z, keras.layers.Activation("linear", dtype="float32", name="to_float32")(h), name="decoder")


@keras.saving.register_keras_serializable("vade_tf")
class Filled(keras.layers.Layer):
    """What an encoder reads of rows with missing cells, NaN in x: a value in their place, and flags that say so.

    Args:
        fill: what stands for a missing cell of each feature, [D]: the mean of the known ones.
        flagged: features that get a flag, 0 or 1, beside them: those of which cells were missing in training.
    """

    def __init__(self, fill: Sequence[float], flagged: Sequence[int] = (), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.fill = [float(value) for value in fill]
        self.flagged = [int(feature) for feature in flagged]

    def call(self, x):
        missing = keras.ops.isnan(x)
        known = keras.ops.where(missing, keras.ops.convert_to_tensor(self.fill, "float32"), x)
        if not self.flagged:
            return known
        return keras.ops.concatenate([known, keras.ops.cast(keras.ops.take(missing, self.flagged, 1), "float32")], 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.fill) + len(self.flagged))

    def get_config(self):
        return {**super().get_config(), "fill": self.fill, "flagged": self.flagged}


def shapes(
    n_features: int, latent_dim: int, hidden: Sequence[int], flags: int = 0, outputs: int = 1
) -> list[tuple[int, ...]]:
    """Shapes of the weights of `build_encoder` and, after them, of `build_decoder`: a kernel and a bias each layer.

    Args:
        n_features, latent_dim, hidden: as for `build_encoder`.
        flags: features that `Filled` flags.
        outputs: as for `build_decoder`.
    """
    up, down = (n_features + flags, *hidden, latent_dim), (latent_dim, *reversed(hidden), outputs * n_features)
    layers = [*itertools.pairwise(up), (up[-2], up[-1]), *itertools.pairwise(down)]  # two heads: m and log s2
    return [shape for wide, narrow in layers for shape in ((wide, narrow), (narrow,))]


def serialized(model: keras.Model, *names: str) -> dict:
    """Networks and layers of a model by the names of its attributes, as a config holds them; None where it has none."""
    return {name: keras.saving.serialize_keras_object(getattr(model, name)) for name in names}


def deserialized(config: dict, custom_objects, *names: str) -> dict:
    """A config with these networks and layers built, the inverse of `serialized`."""
    built = {name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in names}
    return {**config, **built}


def fills(encoder: keras.Model) -> bool:
    """Whether an encoder takes rows with missing cells: a layer of it, or of a model in it, fills them."""
    return any(isinstance(layer, Filled) for layer in encoder._flatten_layers())


def set_all(network: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Set the weights of a network, and what its layers have computed from theirs."""
    network.set_weights(weights)
    take_up(network)


def take_up(model: keras.Model) -> None:
    """Let layers such as `Normalization`, which compute with copies of their weights, copy them anew."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def build_scaling(scale, offset) -> keras.layers.Rescaling | None:
    """The layer x = raw * scale + offset, numbers or [D], in float32 whatever the policy; None where x is raw."""
    if np.all(scale == 1) and np.all(offset == 0):
        return None
    scale, offset = (value.tolist() if isinstance(value, np.ndarray) else value for value in (scale, offset))
    return keras.layers.Rescaling(scale, offset, dtype="float32")


@keras.saving.register_keras_serializable("vade_tf")
class Directions(keras.layers.Layer):
    """Rows of one length, which get the length sqrt(D); others stay as much longer or shorter.

    Args:
        length: Euclidean length of the raw rows.
    """

    def __init__(self, length: float, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.length = float(length)

    def call(self, x):
        return keras.ops.cast(x, "float32") * (math.sqrt(x.shape[-1]) / self.length)

    def inverse(self, x) -> np.ndarray:
        """Rows of this length in the directions of x, [n, D]: a mean of several is shorter than each."""
        x = np.asarray(x, np.float64)
        return self.length * x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), TINY)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable("vade_tf")
class Roots(Directions):
    """Rows of one length whose values are never below 0, by their square roots, which get the length sqrt(D).

    A few words that a text repeats are most of the length of its row, and would be most of the squared error. The
    distance of square roots is Hellinger's, which is the usual one between shares.

    Args:
        length: Euclidean length of the raw rows.
    """

    def call(self, x):
        root = keras.ops.sqrt(keras.ops.maximum(keras.ops.cast(x, "float32"), 0.0))
        norm = keras.ops.sqrt(keras.ops.sum(root**2, axis=-1, keepdims=True))
        return root * (math.sqrt(x.shape[-1]) / keras.ops.maximum(norm, TINY))  # a row of zeros stays one

    def inverse(self, x) -> np.ndarray:
        """Rows of this length whose roots, brought to one length, are x, [n, D]; below 0 there are none."""
        square = np.maximum(np.asarray(x, np.float64), 0.0) ** 2
        return self.length * square / np.maximum(np.linalg.norm(square, axis=1, keepdims=True), TINY)


def check(encoder: keras.Model, decoder: keras.Model, each: int = 1) -> None:
    """Whether two networks of one's own are those of a VaDE: x -> (m, log s2) and z -> parameters of p(x|z).

    x is [batch, D], or of any shape with D values, such as [batch, height, width, 1]; m, log s2 and z are
    [batch, latent]; the parameters are of any shape with D * `each` values.

    Raises:
        InputError: they are not, and which of the two is wrong.
    """
    inputs, outputs = _shapes(encoder, "encoder")
    if len(inputs) != 1 or len(outputs) != 2 or outputs[0] != outputs[1] or len(outputs[0]) != 1:
        raise InputError(
            f"encoder: expected one input and two outputs (m, log s2), both (batch, latent), got inputs of shape "
            f"{inputs} and outputs of shape {outputs} a row"
        )
    form = _form(encoder)
    if not isinstance(form, (list, tuple)) or any(isinstance(part, (list, tuple, dict)) for part in form):
        got = "one inside of another" if isinstance(form, (list, tuple)) else f"a {type(form).__name__}"
        raise InputError(f"encoder: expected a list [m, log s2] of two outputs, got {got}; write it as this list")
    (row,), code = inputs, outputs[0]
    inputs, outputs = _shapes(decoder, "decoder")
    if inputs != [code]:
        raise InputError(f"decoder: expected one input of shape {code} a row, as the encoder's outputs, got {inputs}")
    if isinstance(form := _form(decoder), (list, tuple, dict)):
        kind = type(form).__name__
        raise InputError(
            f"decoder: expected one output by itself, got a {kind} of {len(form)}; give the model its tensor"
        )
    values = each * math.prod(row)
    if len(outputs) != 1 or math.prod(outputs[0]) != values:
        times = "" if each == 1 else f"{each} times "
        raise InputError(
            f"decoder: expected one output of {values} values a row, {times}as the encoder's input {row}, got {outputs}"
        )
    check_apart(encoder, decoder)


def check_apart(encoder: keras.Model, decoder: keras.Model) -> None:
    """Raises InputError where two networks share weights: a copy has them twice, and Keras cannot load their file."""
    theirs = {id(layer) for layer in encoder._flatten_layers()}
    shared = [layer.name for layer in decoder._flatten_layers() if id(layer) in theirs and layer.weights]
    if shared:
        raise InputError(f"encoder and decoder: expected no layer in both, got {shared[0]!r}; give each one of its own")


def _form(network: keras.Model):
    """The outputs of a functional model as it returns them: a tensor, or a list, tuple or dict of them."""
    return (getattr(network, "_functional", None) or network)._outputs_struct


def _shapes(network: keras.Model, argument: str) -> tuple[list[tuple], list[tuple]]:
    """Shapes of inputs and outputs without the batch."""
    ends = [getattr(network, name, None) or [] for name in ("inputs", "outputs")]
    if not all(ends) or not isinstance(network, keras.Model):  # tf_keras has models of its own
        old = "; make it with keras 3, not tf_keras" if type(network).__module__.startswith("tf_keras") else ""
        raise InputError(f"{argument}: expected a functional keras.Model, whose shapes are known, got {network!r}{old}")
    shapes = [[tuple(tensor.shape[1:]) for tensor in end] for end in ends]
    if any(size is None for end in shapes for shape in end for size in shape):
        raise InputError(f"{argument}: expected a fixed number of values a row, got shapes {shapes}")
    if tf.executing_eagerly() and not all(np.isfinite(weight).all() for weight in network.get_weights()):
        raise InputError(f"{argument}: expected finite weights, got some that are NaN or infinite; make it anew")
    return shapes[0], shapes[1]


def dense(width: int, name: str, seed: tuple[int, ...], gain: float = 1.0, dtype: str | None = "float32", **more):
    """A dense layer whose Glorot-uniform kernel, times gain, is a pure function of seed."""
    return keras.layers.Dense(width, kernel_initializer=glorot(*seed, gain=gain), dtype=dtype, name=name, **more)


def glorot(*seed: int, gain: float = 1.0):
    """A Glorot-uniform initialiser, times gain, that is a pure function of seed."""
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform", seed=fold(*seed))
