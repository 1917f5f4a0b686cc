"""Images as the encoder reads them in training: moved a little, or with other colours.

Every map is a pure function of a seed, and that of a row does not depend on how many devices share its batch.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

ROTATION = 10.0  # degrees either way
SHIFT = 1 / 14  # of height and width either way: two pixels of 28
ZOOM = 0.1  # share either way
CROP = 0.2  # of a photo: share of the side that may be cut off, all in all
LIGHT, CONTRAST, SATURATION = 0.2, 0.2, 0.4  # share either way


@dataclass(frozen=True)
class Augmentation:
    """How images are moved.

    Attributes:
        image_shape: (height, width), or (height, width, channels).
        kind: "digits" or "photos", see the functions of these names.
        paper: what lies outside of digits, a number or one a channel.
        ends: black, which the light of photos is counted from, and white, beyond which nothing becomes brighter.
    """

    image_shape: tuple[int, ...]
    kind: str = "digits"
    paper: float | np.ndarray = 0.0
    ends: tuple[float, float] = (0.0, math.inf)


def augment(x: tf.Tensor, how: Augmentation, seed, number=0, of: int = 1) -> tf.Tensor:
    """A random map of each image.

    Args:
        x: images, [batch, height * width * channels], uint8 or float32.
        how: they are moved.
        seed: two integers; same seed, same maps.
        number, of: number of the slice of a batch that the rows are, and of all slices; a row has the map of the batch.

    Returns:
        Rows of the same shape and type; bytes are rounded.
    """
    size = tf.shape(x)[0]
    u = tf.random.stateless_uniform((of * size, DRAWS[how.kind]), seed, minval=-1.0, maxval=1.0)
    if of > 1:
        u = u[tf.cast(number, tf.int32) * size :][:size]
    height, width, channels = (*how.image_shape, 1)[:3]
    images = tf.reshape(tf.cast(x, tf.float32), (-1, height, width, channels))
    if how.kind == "digits":
        moved = digits(images - how.paper, u) + how.paper
    else:
        black, white = how.ends
        moved = tf.clip_by_value(photos(images - black, u) + black, black, white)
    if x.dtype == tf.uint8:
        moved = tf.cast(tf.clip_by_value(tf.round(moved), 0, 255), tf.uint8)
    return tf.reshape(moved, tf.shape(x))


def digits(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Rotated, zoomed, shifted, 0 outside: images [batch, height, width, channels], u [batch, 4] from -1 to 1.

    Long ones are rotated less: a strip of one row would be turned out of its frame.
    """
    long = max(images.shape[1:3]) / max(min(images.shape[1:3]), 1)
    angle, zoom = u[:, 0] * (ROTATION * math.pi / 180 / long), 1.0 + ZOOM * u[:, 1]
    cos, sin = zoom * tf.cos(angle), zoom * tf.sin(angle)
    return _moved(images, [[cos, -sin], [sin, cos]], SHIFT * u[:, 2], SHIFT * u[:, 3], "CONSTANT")


def photos(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Half of them mirrored, all cropped, and with other light, contrast and saturation: u [batch, 7] from -1 to 1.

    Black is 0. A crop is brought back to the size of the image.
    """
    side = 1.0 - CROP * (0.5 + 0.5 * u[:, 0])  # of what is left, from 1 - CROP to 1
    mirrored = tf.where(u[:, 1] < 0, -side, side)
    zero, room = tf.zeros_like(side), 0.5 * (1.0 - side)
    found = _moved(images, [[mirrored, zero], [zero, side]], room * u[:, 2], room * u[:, 3], "REFLECT")
    light, contrast, saturation = (
        (1.0 + width * u[:, i])[:, None, None, None] for i, width in ((4, LIGHT), (5, CONTRAST), (6, SATURATION))
    )
    grey = tf.reduce_mean(found, axis=3, keepdims=True)
    found = grey + saturation * (found - grey)
    mean = tf.reduce_mean(found, axis=(1, 2), keepdims=True)
    return light * (mean + contrast * (found - mean))


DRAWS = {"digits": 4, "photos": 7}  # random numbers that a map takes


def _moved(images: tf.Tensor, matrix, right: tf.Tensor, down: tf.Tensor, outside: str) -> tf.Tensor:
    """Images [batch, height, width, channels] under an affine map about their middle, bilinear.

    Args:
        matrix: from places in the result to places in the image, two rows (x, y) of two numbers an image [batch].
        right, down: share of the width and of the height that places are moved by, [batch].
        outside: a fill_mode of TensorFlow; a constant is 0.
    """
    height, width = images.shape[1:3]
    x, y = (width - 1) / 2, (height - 1) / 2
    (a, b), (c, d) = matrix
    zero = tf.zeros_like(a)
    rows = [a, b, x - a * x - b * y + width * right, c, d, y - c * x - d * y + height * down, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),  # [batch, 8]
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=outside,
    )
