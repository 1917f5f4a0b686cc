"""The paper's networks as functional Keras models: encoder D-500-500-2000-(10, 10), decoder 10-2000-500-500-D.

The wide layers compute in the given precision. The heads of the code compute in float32, and all that leaves a network
is float32. Networks of one's own: `check` says what they have to be.
"""

import itertools
import math
import reprlib
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
    """Whether two networks of one's own are those of a VaDE: x -> [m, log s2] and z -> parameters of p(x|z).

    x is [batch, D], or of any shape with D values, such as [batch, height, width, 1]; m, log s2 and z are
    [batch, latent]; the parameters are of any shape with D * `each` values.

    Raises:
        InputError: they are not, and which of the two is wrong.
    """
    for argument, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, keras.Model) or not getattr(network, "outputs", None):
            raise InputError(argument, "a functional keras.Model", reprlib.repr(network), "use keras 3, not tf_keras")
        if None in itertools.chain(*_shapes(network.inputs), *_shapes(network.outputs)):
            raise InputError(argument, "a fixed number of values a row", f"inputs of {_shapes(network.inputs)}")
        if tf.executing_eagerly() and not all(np.isfinite(weight).all() for weight in network.get_weights()):
            raise InputError(argument, "finite weights", "some that are NaN or infinite", "make the network anew")
    rows, codes = _shapes(encoder.inputs), _shapes(encoder.outputs)
    flat = isinstance(_returned(encoder), (list, tuple)) and len(_returned(encoder)) == 2
    if len(rows) != 1 or not flat or len(codes) != 2 or codes[0] != codes[1] or len(codes[0]) != 1:
        raise InputError(
            "encoder", "one input and a list [m, log s2] of two outputs (batch, latent)", f"{rows} and {codes} a row"
        )
    values, into, out = each * math.prod(rows[0]), _shapes(decoder.inputs), _shapes(decoder.outputs)
    if into != codes[:1]:
        raise InputError("decoder", f"one input of {codes[0]} a row, as the encoder gives", str(into))
    if isinstance(_returned(decoder), (list, tuple, dict)) or math.prod(out[0]) != values:
        raise InputError("decoder", f"one output of {values} values a row, by itself and in no list", str(out))
    check_apart(encoder, decoder)


def check_apart(encoder: keras.Model, decoder: keras.Model) -> None:
    """Raises InputError where two networks share weights: a copy has them twice, and Keras cannot load their file."""
    theirs = {id(layer) for layer in encoder._flatten_layers()}
    shared = [layer.name for layer in decoder._flatten_layers() if id(layer) in theirs and layer.weights]
    if shared:
        raise InputError("decoder", "no layer of the encoder", repr(shared[0]), "give each network layers of its own")


def _returned(network: keras.Model):
    """The outputs of a functional model as it returns them: a tensor, or a list, tuple or dict of them."""
    return (getattr(network, "_functional", None) or network)._outputs_struct


def _shapes(tensors) -> list[tuple]:
    """Shapes without the batch."""
    return [tuple(tensor.shape[1:]) for tensor in tensors]


def dense(width: int, name: str, seed: tuple[int, ...], gain: float = 1.0, dtype: str | None = "float32", **more):
    """A dense layer whose Glorot-uniform kernel, times gain, is a pure function of seed."""
    return keras.layers.Dense(width, kernel_initializer=glorot(*seed, gain=gain), dtype=dtype, name=name, **more)


def glorot(*seed: int, gain: float = 1.0):
    """A Glorot-uniform initialiser, times gain, that is a pure function of seed."""
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform", seed=fold(*seed))
