"""The paper's networks as functional Keras models: encoder D-500-500-2000-(10, 10), decoder 10-2000-500-500-D.

The wide layers compute in the given precision; the heads of the code, and all that leaves a network, are float32. For
images there are strided convolutions in the spirit of DEC-DA (Guo et al., ACML 2018): 5x5, 5x5 and 3x3 kernels with 32,
64 and 128 filters, each halving the image, until its shorter side has at most `SMALL` pixels. Images that need more
halvings get further layers as the last one; of those that need fewer, the first layers keep the size, which was seen to
give better groups. Below are the layers that scale or fill rows before a network, and the optimizer.
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
FILTERS, KERNELS = (32, 64, 128), (5, 5, 3)  # of the first convolutions; further ones are as the last
SMALL = 6  # pixels of the shorter side, at which an image is no longer halved: 4 to 6 are left
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

    Args:
        n_features: D, the width of x.
        latent_dim: width of the code.
        hidden: widths of the hidden layers, first to last.
        precision: Keras dtype policy of the wide layers, e.g. "mixed_bfloat16"; default the global one.
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
    return keras.Model(x, _heads(h, latent_dim, (seed, 0, len(hidden)), (seed, 0, len(hidden) + 1)), name="encoder")


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


def sides(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Height and width of an image before the first convolution and after each: 28, 14, 7, 4 and 16, 16, 8, 4."""
    found = [(shape[0], shape[1])]
    while min(found[-1]) > SMALL:
        height, width = found[-1]
        found.append((-(-height // 2), -(-width // 2)))
    return [found[0]] * (len(FILTERS) + 1 - len(found)) + found


def build_conv_encoder(
    shape: tuple[int, ...], latent_dim: int = 10, precision: str | None = None, seed: int = 0
) -> keras.Model:
    """`build_encoder` with convolutions, from x [batch, height, width, channels].

    `shape` is (height, width) of grey images, or (height, width, 3) of colour ones.
    """
    x = h = keras.Input((*shape[:2], *(shape[2:] or (1,))), name="x")
    for i, (filters, kernel, stride) in enumerate(_convolutions(shape)):
        more: dict = {"activation": "relu", "kernel_initializer": glorot(seed, 0, i), "dtype": precision}
        h = keras.layers.Conv2D(filters, kernel, stride, "same", name=f"encoder_{i}", **more)(h)
    h = keras.layers.Flatten(dtype=precision)(h)
    return keras.Model(x, _heads(h, latent_dim, (seed, 2, 0), (seed, 2, 1)), name="encoder")


def build_conv_decoder(
    shape: tuple[int, ...], latent_dim: int = 10, precision: str | None = None, seed: int = 0
) -> keras.Model:
    """The mirror image of `build_conv_encoder`, to [batch, height, width, channels] in float32."""
    z = keras.Input((latent_dim,), name="z")
    (*larger, (height, width)), layers = sides(shape), _convolutions(shape)
    depths = [*(shape[2:] or (1,)), *(filters for filters, _, _ in layers)]
    first, units = f"decoder_{len(larger)}", height * width * depths[-1]
    h = dense(units, first, (seed, 1, len(larger)), dtype=precision, activation="relu")(z)
    h = keras.layers.Reshape((height, width, depths[-1]), dtype=precision)(h)
    for i, (height, width) in reversed(list(enumerate(larger))):
        _, kernel, stride = layers[i]
        more: dict = {"activation": "relu" if i else None, "kernel_initializer": glorot(seed, 1, i), "dtype": precision}
        h = keras.layers.Conv2DTranspose(depths[i], kernel, stride, "same", name=f"decoder_{i}", **more)(h)
        below, right = h.shape[1] - height, h.shape[2] - width  # an odd side was rounded up
        if below or right:
            h = keras.layers.Cropping2D(((0, below), (0, right)), dtype=precision)(h)
    return keras.Model(z, keras.layers.Activation("linear", dtype="float32", name="to_float32")(h), name="decoder")


def _convolutions(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Filters, kernel and stride of each convolution."""
    pairs, last = enumerate(itertools.pairwise(sides(shape))), len(FILTERS) - 1
    return [(FILTERS[min(i, last)], KERNELS[min(i, last)], 1 if old == new else 2) for i, (old, new) in pairs]


def _heads(h, latent_dim: int, mean_seed: tuple[int, ...], variance_seed: tuple[int, ...]) -> list:
    """m and log s2 of the last hidden layer.

    s2 starts close to exp(-3): with the usual initialisation its noise wrecks a pretrained code in the first epoch.
    """
    start = keras.initializers.Constant(-3.0)
    log_s2 = dense(latent_dim, "z_log_var", variance_seed, gain=0.1, bias_initializer=start)
    return [dense(latent_dim, "z_mean", mean_seed)(h), log_s2(h)]


def dense(width: int, name: str, seed: tuple[int, ...], gain: float = 1.0, dtype: str | None = "float32", **more):
    """A dense layer whose Glorot-uniform kernel, times gain, is a pure function of seed."""
    return keras.layers.Dense(width, kernel_initializer=glorot(*seed, gain=gain), dtype=dtype, name=name, **more)


def glorot(*seed: int, gain: float = 1.0):
    """A Glorot-uniform initialiser, times gain, that is a pure function of seed."""
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform", seed=fold(*seed))


@keras.saving.register_keras_serializable("vade_tf")
class Filled(keras.layers.Layer):
    """What an encoder reads of rows with missing cells, NaN in x: a value in their place, and flags that say so.

    Args:
        fill: what stands for a missing cell of each feature, [D].
        flagged: features that get a flag, 0 or 1, beside them.
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

    def get_config(self):
        return {**super().get_config(), "fill": self.fill, "flagged": self.flagged}


def fills(encoder: keras.Model) -> bool:
    """Whether an encoder takes rows with missing cells: a layer of it, or of a model in it, fills them."""
    return any(isinstance(layer, Filled) for layer in encoder._flatten_layers())


def build_scaling(scale, offset) -> keras.layers.Rescaling | None:
    """The layer x = raw * scale + offset, numbers or [D], in float32 whatever the policy; None where x is raw."""
    if np.all(scale == 1) and np.all(offset == 0):
        return None
    scale, offset = (value.tolist() if isinstance(value, np.ndarray) else value for value in (scale, offset))
    return keras.layers.Rescaling(scale, offset, dtype="float32")


@keras.saving.register_keras_serializable("vade_tf")
class Directions(keras.layers.Layer):
    """Rows of one Euclidean length, which get the length sqrt(D); others stay as much longer or shorter."""

    def __init__(self, length: float, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.length = float(length)

    def call(self, x):
        return keras.ops.cast(x, "float32") * (math.sqrt(x.shape[-1]) / self.length)

    def inverse(self, x) -> np.ndarray:
        """Rows of this length in the directions of x, [n, D]: a mean of several is shorter than each."""
        x = np.asarray(x, np.float64)
        return self.length * x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), TINY)

    def get_config(self):
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable("vade_tf")
class UnitLength(Directions):
    """Rows that differ in their directions alone, such as embeddings: each gets the length sqrt(D)."""

    def call(self, x):
        x = keras.ops.cast(x, "float32")
        norm = keras.ops.sqrt(keras.ops.sum(x**2, axis=-1, keepdims=True))
        return x * (math.sqrt(x.shape[-1]) / keras.ops.maximum(norm, TINY))  # a row of zeros stays one


@keras.saving.register_keras_serializable("vade_tf")
class Roots(UnitLength):
    """Rows of one length whose values are never below 0, by their square roots, which get the length sqrt(D).

    A few words that a text repeats are most of the length of its row, and would be most of the squared error. The
    distance of square roots is Hellinger's, which is the usual one between shares.
    """

    def call(self, x):
        return super().call(keras.ops.sqrt(keras.ops.maximum(keras.ops.cast(x, "float32"), 0.0)))

    def inverse(self, x) -> np.ndarray:
        """Rows of this length whose roots, brought to one length, are x, [n, D]; below 0 there are none."""
        return super().inverse(np.maximum(np.asarray(x, np.float64), 0.0) ** 2)


def compute_in_float32(model: keras.Model) -> None:
    """Let all layers of a model compute in float32 from now on, with the weights that they have.

    So that a model that was trained in another precision gives the answers of its export.
    """
    for layer in model._flatten_layers():
        if layer.compute_dtype != "float32":
            layer.dtype_policy = "float32"
    model.train_function = model.test_function = model.predict_function = None


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that leaves no graph in memory when a model is gone."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """As Keras has it, but for one replica as they are: TensorFlow keeps the graph of every sum for ever."""
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync == 1:
            return list(grads_and_vars)
        return super()._all_reduce_sum_gradients(grads_and_vars)


@keras.saving.register_keras_serializable("vade_tf")
class FusedAdam(Adam):
    """`keras.optimizers.Adam` whose update is TensorFlow's `ResourceApplyAdam`. Same arguments, but no `amsgrad`.

    One fused kernel a weight, with the same result (Kingma & Ba 2015, in the "epsilon hat" form): of the paper's
    network, with 3.3 million parameters, a third of the time on a processor.

    Raises:
        InputError: `amsgrad=True`, which the kernel does not know.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise InputError("amsgrad", "False", "True", "use keras.optimizers.Adam")

    def apply(self, grads, trainable_variables=None):
        step = tf.cast(self.iterations + 1, tf.float32)
        self._powers = [tf.pow(tf.cast(beta, tf.float32), step) for beta in (self.beta_1, self.beta_2)]  # once for all
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        if variable.dtype != "float32":  # the kernel would end the process; mixed precision has float32 variables
            super().update_step(gradient, variable, learning_rate)
            return
        index, (beta1_power, beta2_power) = self._get_variable_index(variable), self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
