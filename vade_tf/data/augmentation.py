"""Images as the encoder reads them in training: turned, zoomed and shifted a little.

Every map is a pure function of a seed, and that of a row does not depend on how many devices share its batch.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

ROTATION = 10.0  # degrees either way
SHIFT = 1 / 14  # of height and width either way: two pixels of 28
ZOOM = 0.1  # share either way


class Augmentation(NamedTuple):
    """How images are moved."""

    image_shape: tuple[int, ...]  # (height, width), or (height, width, channels)
    paper: float | np.ndarray = 0.0  # what lies outside of them, a number or one a channel


def augment(x: tf.Tensor, how: Augmentation, seed, number=0, of: int = 1) -> tf.Tensor:
    """A random affine map of each image, bilinear. Long images are rotated less: a strip would leave its frame.

    Args:
        x: images, [batch, height * width * channels], uint8, which are rounded, or float32.
        seed: two integers; same seed, same maps.
        number, of: number of the slice of a batch that the rows are, and of all slices; a row has the map of the batch.
    """
    size = tf.shape(x)[0]
    u = tf.random.stateless_uniform((of * size, 4), seed, minval=-1.0, maxval=1.0)
    if of > 1:
        u = u[tf.cast(number, tf.int32) * size :][:size]
    height, width, channels = (*how.image_shape, 1)[:3]
    images = tf.reshape(tf.cast(x, tf.float32), (-1, height, width, channels)) - how.paper
    long = max(height, width) / max(min(height, width), 1)
    angle, zoom = u[:, 0] * (ROTATION * math.pi / 180 / long), 1.0 + ZOOM * u[:, 1]
    a, b = zoom * tf.cos(angle), -(zoom * tf.sin(angle))  # from places in the result to those in the image: [a, b]
    c, d = zoom * tf.sin(angle), a  # [c, d]
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    zero = tf.zeros_like(a)
    right, down = width * (SHIFT * u[:, 2]), height * (SHIFT * u[:, 3])
    rows = [a, b, x0 - a * x0 - b * y0 + right, c, d, y0 - c * x0 - d * y0 + down, zero, zero]
    moved = how.paper + tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),  # [batch, 8]
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    if x.dtype == tf.uint8:
        moved = tf.cast(tf.clip_by_value(tf.round(moved), 0, 255), tf.uint8)
    return tf.reshape(moved, tf.shape(x))
