"""The paper's networks as functional Keras models: encoder D-500-500-2000-(10, 10), decoder 10-2000-500-500-D.

The wide layers compute in the given precision. The heads of the code compute in float32, and all that leaves a network
is float32.
"""

from collections.abc import Sequence

import keras
import numpy as np

HIDDEN = (500, 500, 2000)


def build_encoder(
    n_features: int,
    latent_dim: int = 10,
    hidden: Sequence[int] = HIDDEN,
    precision: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """Dense encoder of q(z|x) = N(m, diag s2).

    The log-variance head starts small (s2 close to exp(-3), nearly the same for every x): with the usual
    initialisation its noise wrecks a pretrained code in the first epoch.

    Args:
        n_features: D, the width of x.
        latent_dim: width of the code.
        hidden: widths of the hidden layers, first to last.
        precision: Keras dtype policy of the wide layers, e.g. "mixed_bfloat16".
        seed: of the initial weights; same seed, same weights.

    Returns:
        Model from x [batch, D] to (m, log s2), both [batch, latent_dim] in float32.
    """
    x = h = keras.Input((n_features,), name="x")
    for i, width in enumerate(hidden):
        h = _dense(width, f"encoder_{i}", (seed, 0, i), activation="relu", dtype=precision)(h)
    m = _dense(latent_dim, "z_mean", (seed, 0, len(hidden)))(h)
    start = keras.initializers.Constant(-3.0)
    log_s2 = _dense(latent_dim, "z_log_var", (seed, 0, len(hidden) + 1), gain=0.1, bias_initializer=start)(h)
    return keras.Model(x, [m, log_s2], name="encoder")


def build_decoder(
    n_features: int,
    latent_dim: int = 10,
    hidden: Sequence[int] = HIDDEN,
    precision: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """Dense decoder of p(x|z), the encoder's mirror image.

    Args:
        n_features, latent_dim, hidden, precision, seed: as for `build_encoder`; `hidden` is used last to first.

    Returns:
        Model from z [batch, latent_dim] to [batch, D] in float32: Bernoulli logits, or Gaussian means.
    """
    z = h = keras.Input((latent_dim,), name="z")
    for i, width in enumerate(reversed(hidden)):
        h = _dense(width, f"decoder_{i}", (seed, 1, i), activation="relu", dtype=precision)(h)
    h = _dense(n_features, "x_parameters", (seed, 1, len(hidden)), dtype=precision)(h)
    return keras.Model(z, keras.layers.Activation("linear", dtype="float32", name="to_float32")(h), name="decoder")


def _dense(width: int, name: str, seed: tuple[int, ...], gain: float = 1.0, dtype: str = "float32", **more):
    """A dense layer whose Glorot-uniform kernel, times gain, is a pure function of seed."""
    number = int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)
    glorot = keras.initializers.VarianceScaling(scale=gain**2, mode="fan_avg", distribution="uniform", seed=number)
    return keras.layers.Dense(width, kernel_initializer=glorot, dtype=dtype, name=name, **more)
