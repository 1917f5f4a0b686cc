"""The paper's networks as functional Keras models: encoder D-500-500-2000-(10, 10), decoder 10-2000-500-500-D.

Hidden layers compute in the given precision; the heads, and everything behind them, in float32.
"""

from collections.abc import Sequence

import keras

HIDDEN = (500, 500, 2000)


def build_encoder(
    n_features: int, latent_dim: int = 10, hidden: Sequence[int] = HIDDEN, precision: str = "float32"
) -> keras.Model:
    """Dense encoder of q(z|x) = N(m, diag s2).

    The log-variance head starts small (s2 close to exp(-3), nearly the same for every x): with the usual
    initialisation its noise wrecks a pretrained code in the first epoch.

    Args:
        n_features: D, the width of x.
        latent_dim: width of the code.
        hidden: widths of the hidden layers, first to last.
        precision: Keras dtype policy of the hidden layers, e.g. "mixed_bfloat16".

    Returns:
        Model from x [batch, D] to (m, log s2), both [batch, latent_dim] in float32.
    """
    x = h = keras.Input((n_features,), name="x")
    for i, width in enumerate(hidden):
        h = keras.layers.Dense(width, activation="relu", dtype=precision, name=f"encoder_{i}")(h)
    m = keras.layers.Dense(latent_dim, dtype="float32", name="z_mean")(h)
    small = keras.initializers.VarianceScaling(scale=0.01, mode="fan_avg", distribution="uniform")
    log_s2 = keras.layers.Dense(
        latent_dim, kernel_initializer=small, bias_initializer=keras.initializers.Constant(-3.0), dtype="float32", name="z_log_var"
    )(h)
    return keras.Model(x, [m, log_s2], name="encoder")


def build_decoder(
    n_features: int, latent_dim: int = 10, hidden: Sequence[int] = HIDDEN, precision: str = "float32"
) -> keras.Model:
    """Dense decoder of p(x|z), the encoder's mirror image.

    Args:
        n_features, latent_dim, hidden, precision: as for `build_encoder`; `hidden` is used last to first.

    Returns:
        Model from z [batch, latent_dim] to [batch, D] in float32: Bernoulli logits, or Gaussian means.
    """
    z = h = keras.Input((latent_dim,), name="z")
    for i, width in enumerate(reversed(hidden)):
        h = keras.layers.Dense(width, activation="relu", dtype=precision, name=f"decoder_{i}")(h)
    return keras.Model(z, keras.layers.Dense(n_features, dtype="float32", name="x_parameters")(h), name="decoder")

