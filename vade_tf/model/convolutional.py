"""Convolutional networks of images as functional Keras models: strided convolutions, a dense code, and the way back.

In the spirit of DEC-DA (Guo et al., ACML 2018): 5x5, 5x5 and 3x3 kernels with 32, 64 and 128 filters, each halving the
image, until its shorter side has at most `SMALL` pixels. Images that need more halvings get further layers as the last
one; of those that need fewer, the first layers keep the size, which was seen to give better groups.
"""

import itertools

import keras

from vade_tf.model.networks import dense, glorot

FILTERS, KERNELS = (32, 64, 128), (5, 5, 3)  # of the first layers; further ones are as the last
SMALL = 6  # pixels of the shorter side, at which an image is no longer halved: 4 to 6 are left


def sides(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Height and width of an image before the first convolution and after each: 28, 14, 7, 4 and 16, 16, 8, 4."""
    found = [(shape[0], shape[1])]
    while min(found[-1]) > SMALL:
        height, width = found[-1]
        found.append((-(-height // 2), -(-width // 2)))
    return [found[0]] * (len(FILTERS) + 1 - len(found)) + found


def build_encoder(
    shape: tuple[int, ...], latent_dim: int = 10, precision: str | None = None, seed: int = 0
) -> keras.Model:
    """Convolutional encoder of q(z|x) = N(m, diag s2); its heads are those of `networks.build_encoder`.

    Args:
        shape: (height, width) of grey images, or (height, width, 3) of colour ones.
        latent_dim: width of the code.
        precision: Keras dtype policy of the convolutions; default the global one.
        seed: of the initial weights; same seed, same weights.

    Returns:
        Model from x [batch, height, width, channels] to (m, log s2), both [batch, latent_dim] in float32.
    """
    x = h = keras.Input((*shape[:2], _channels(shape)), name="x")
    for i, stride in enumerate(_strides(shape)):
        h = _strided(keras.layers.Conv2D, i, stride, _filters(i), f"encoder_{i}", glorot(seed, 0, i), precision)(h)
    h = keras.layers.Flatten(dtype=precision)(h)
    heads = []
    for i, (name, gain, bias) in enumerate((("z_mean", 1.0, 0.0), ("z_log_var", 0.1, -3.0))):
        constant = keras.initializers.Constant(bias)
        heads.append(dense(latent_dim, name, (seed, 2, i), gain, bias_initializer=constant)(h))
    return keras.Model(x, heads, name="encoder")


def build_decoder(
    shape: tuple[int, ...], latent_dim: int = 10, precision: str | None = None, seed: int = 0
) -> keras.Model:
    """Convolutional decoder of p(x|z), the encoder's mirror image.

    Args:
        shape, latent_dim, precision, seed: as for `build_encoder`.

    Returns:
        Model from z [batch, latent_dim] to [batch, height, width, channels] in float32.
    """
    z = keras.Input((latent_dim,), name="z")
    (*larger, (height, width)), channels = sides(shape), _channels(shape)
    depths, strides = [channels, *(_filters(i) for i in range(len(larger)))], _strides(shape)
    first, units = f"decoder_{len(larger)}", height * width * depths[-1]
    h = dense(units, first, (seed, 1, len(larger)), dtype=precision, activation="relu")(z)
    h = keras.layers.Reshape((height, width, depths[-1]), dtype=precision)(h)
    for i, (height, width) in reversed(list(enumerate(larger))):
        name, kernel, activation = f"decoder_{i}", glorot(seed, 1, i), "relu" if i else None
        h = _strided(keras.layers.Conv2DTranspose, i, strides[i], depths[i], name, kernel, precision, activation)(h)
        below, right = h.shape[1] - height, h.shape[2] - width  # an odd side was rounded up
        if below or right:
            h = keras.layers.Cropping2D(((0, below), (0, right)), dtype=precision)(h)
    return keras.Model(z, keras.layers.Activation("linear", dtype="float32", name="to_float32")(h), name="decoder")


def shapes(shape: tuple[int, ...], latent_dim: int) -> list[tuple[int, ...]]:
    """Shapes of the weights of `build_encoder` and, after them, of `build_decoder`: a kernel and a bias each layer."""
    (*larger, last), channels = sides(shape), _channels(shape)
    depths = [channels, *(_filters(i) for i in range(len(larger)))]
    width = last[0] * last[1] * depths[-1]
    kernels = [(_kernel(i), _kernel(i), *pair) for i, pair in enumerate(itertools.pairwise(depths))]
    heads = [(width, latent_dim), (latent_dim,)]
    up = [each for kernel in kernels for each in (kernel, (kernel[3],))]
    down = [each for kernel in reversed(kernels) for each in (kernel, (kernel[2],))]  # transposed: narrow, then wide
    return [*up, *heads, *heads, (latent_dim, width), (width,), *down]


def _strides(shape: tuple[int, ...]) -> list[int]:
    """Of each convolution."""
    return [1 if before == after else 2 for before, after in itertools.pairwise(sides(shape))]


def _strided(
    layer, i: int, stride: int, filters: int, name: str, kernel, precision: str | None, activation: str | None = "relu"
):
    """Convolution number i, or its transpose."""
    more = {"kernel_initializer": kernel, "activation": activation, "dtype": precision, "name": name}
    return layer(filters, _kernel(i), strides=stride, padding="same", **more)


def _channels(shape: tuple[int, ...]) -> int:
    return shape[2] if len(shape) == 3 else 1


def _filters(layer: int) -> int:
    return FILTERS[min(layer, len(FILTERS) - 1)]


def _kernel(layer: int) -> int:
    return KERNELS[min(layer, len(KERNELS) - 1)]
