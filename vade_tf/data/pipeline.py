"""Rows -> tf.data batches: index batches, then one gather a batch, dense also where rows are sparse; images are moved.

The order of an epoch and the augmentation of a batch are pure functions of (seed, epoch, batch), so a run that was
killed continues with exactly the batches it would have seen.
"""

import math
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from vade_tf.data.rows import FileRows, Rows
from vade_tf.machine import rows_together, spans
from vade_tf.seeding import Stream, fold, generator

WORKERS = min(8, os.cpu_count() or 2)  # batches that are gathered at the same time
BATCH = 1024  # rows of which a model is asked at a time
AHEAD = 2  # batches that wait for the model
SHARD_BYTES = 1 << 18  # of rows that are read together from a file
BUFFER_BYTES = 1 << 25  # of rows of a file that are mixed
MAX_LOTS = 64  # that a buffer is cut into; so many devices can read what they train on and no more
ORDER = 3  # names the stream of random numbers; a path that ends in 0 would be that without it
ROTATION = 10.0  # degrees either way
SHIFT = 1 / 14  # of height and width either way: two pixels of 28
ZOOM = 0.1  # share either way

# Traced as it stands: AutoGraph would take a second of every process to rewrite functions of tensors alone
plain = tf.autograph.experimental.do_not_convert


class Slices(NamedTuple):
    """Which of the equal slices of every batch to deliver, those of the devices of this process: `own` of `of`."""

    own: range = range(1)
    of: int = 1

    def batches(self, order: tf.Tensor, batch_size: int, first: int | tf.Tensor) -> tf.data.Dataset:
        """Slices of batches of row numbers [n]: (numbers, which slice, number of the batch, counted from `first`)."""
        each = len(self.own)

        def cut(k, number):  # of batch k the slice of this number
            batch = order[k * batch_size : (k + 1) * batch_size]
            if self.of == 1:
                return batch
            size = -(-tf.size(batch) // self.of)
            places = (tf.cast(number, tf.int32) * size + tf.range(size)) % tf.size(batch)
            return tf.gather(batch, places)

        steps = (tf.size(order, tf.int64) + batch_size - 1) // batch_size
        numbers = tf.data.Dataset.range(steps * each).map(lambda i: (i // each, self.own.start + i % each))
        return numbers.map(lambda k, number: (cut(k, number), number, first + k))


WHOLE = Slices()


class Augmentation(NamedTuple):
    """How images are moved."""

    image_shape: tuple[int, ...]  # (height, width), or (height, width, channels)
    background: float | np.ndarray = 0.0  # what lies outside of them, a number or one a channel


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Batches of a pass over n rows; the last may be smaller."""
    return math.ceil(n / batch_size)


def training_batches(
    x: Rows,
    batch_size: int,
    seed: int,
    epochs: range,
    *,
    beside: Sequence[np.ndarray] = (),
    augmentation: Augmentation | None = None,
    numbers: np.ndarray | None = None,
    slices: Slices | None = None,
    held: tf.Tensor | None = None,
) -> tf.data.Dataset:
    """Shuffled batches of the given epochs, one epoch after the other; an epoch is one pass over the rows.

    Args:
        x, batch_size: raw rows, [n, D], and how many a batch has.
        seed: of the order and of the augmentation.
        epochs: numbers of the epochs to deliver; epoch e is the same whichever epoch the range starts with.
        beside: arrays that come with the rows, [n, ...] each: hints or probabilities, weights; default none.
        augmentation: how images are moved; default not.
        numbers: of the rows that are read, int [m]; default all.
        slices: of each batch, where several devices share it. The first rows of a batch that cannot be shared evenly
            are in it twice. Default: whole batches.
        held: x as `hold` gives it, where several of these read the same rows. Default: a copy of x for these batches.

    Returns:
        Batches of x, or (x, *beside); with augmentation the pair (augmented x, x) stands for x.
    """
    slices = slices or WHOLE
    moved = fold(seed, Stream.AUGMENTATION)  # apart from the noise of a step, which is drawn by (seed, step)

    def seen(batch, number, step):  # a slice of this number
        if augmentation is None:
            return batch
        two = tf.stack([tf.cast(moved, tf.int64), step])
        return augment(batch, augmentation, two, number, slices.of), batch

    if isinstance(x, FileRows):
        own = slice(None) if numbers is None else numbers
        return _from_file(x.part(own), batch_size, seed, epochs, [each[own] for each in beside], slices, seen)
    with tf.device("CPU"):  # as the rows themselves: a GPU has no room for a number of each
        read = None if numbers is None else tf.constant(numbers)
        others = [tf.constant(each) for each in beside]
    n = len(x) if numbers is None else len(numbers)
    rows, steps = _gatherer(x if held is None else held), steps_per_epoch(n, batch_size)

    @plain
    def batches_of(number):  # of an epoch
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=tf.stack([tf.cast(seed, tf.int64), number]))
        order = order if read is None else tf.gather(read, order)
        return slices.batches(order, batch_size, number * steps)

    @plain
    def gather(indices, number, step):
        batch = seen(rows(indices), number, step)
        return (batch, *(tf.gather(each, indices) for each in others)) if others else batch

    return _ahead(tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(batches_of), gather, x)


def _from_file(
    x: FileRows, batch_size: int, seed: int, epochs: range, beside: list[np.ndarray], slices: Slices, seen: Callable
) -> tf.data.Dataset:
    """`training_batches` of rows in a file: one buffer is read ahead.

    TensorFlow keeps the function that reads until the process ends, so it knows all arrays by weak references.
    """
    n, each = len(x), len(slices.own)
    arrays: list[Any] = [x, *beside]
    kinds = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays)
    spec = kinds, tf.TensorSpec((None, each, None), tf.int64), tf.TensorSpec((), tf.int64)
    found: list[Any] = [weakref.proxy(array) for array in arrays]
    x_bytes = x.shape[1] * x.dtype.itemsize

    def read():
        for number in epochs:
            step = number * steps_per_epoch(n, batch_size)
            for rows, picks in buffers(n, x_bytes, batch_size, seed, number, slices):
                yield tuple(array[rows] for array in found), picks, step
                step += len(picks)

    @plain
    def batches_of(arrays, picks, first):
        numbers = tf.data.Dataset.range(each * tf.shape(picks, tf.int64)[0])
        pairs = numbers.map(lambda i: (i // each, i % each))
        return pairs.map(lambda k, i: (arrays, picks[k, i], slices.own.start + i, first + k))

    @plain
    def gather(arrays, indices, number, step):
        rows, *others = (tf.gather(array, indices) for array in arrays)
        batch = seen(rows, number, step)
        return (batch, *others) if others else batch

    read_ahead = tf.data.Dataset.from_generator(read, output_signature=spec).prefetch(1)
    return _ahead(read_ahead.flat_map(batches_of), gather, arrays)


def _ahead(batches: tf.data.Dataset, gather: Callable, source: Any, workers: int = WORKERS) -> tf.data.Dataset:
    """What `gather` makes of each element, in their order, while the model works on those before; keeps the source.

    TensorFlow's tuner is off, as the end of an iterator may wait for it longer than its steps take (TensorFlow 2.21).
    So are its rewritings of the graph, for which it makes a copy of all rows.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    ready = batches.map(gather, num_parallel_calls=workers, deterministic=True).prefetch(AHEAD)
    ready = ready.with_options(options)
    ready.source = source
    return ready


@contextmanager
def reading(x: Rows) -> Iterator[None]:
    """Raises an InputError in the place of tf.data's error where the file of the rows has changed."""
    try:
        yield
    except tf.errors.OpError:
        if isinstance(x, FileRows):
            x.check()
        raise


def together(x: Rows, size: int = BATCH) -> int:
    """How many of these rows a model reads at a time: `size`, or fewer of very wide ones."""
    return rows_together(x.shape[1], size)


def ordered_batches(x: Rows, batch_size: int | None = None, held: tf.Tensor | None = None) -> tf.data.Dataset:
    """All rows once, in their order: for predict and evaluate. Default: as `blocks`; held: as for training batches."""
    rows, n, batch_size = _gatherer(x if held is None else held), len(x), batch_size or together(x)
    steps = tf.data.Dataset.range(steps_per_epoch(n, batch_size))

    @plain
    def read(k):
        return rows(tf.range(k * batch_size, tf.minimum((k + 1) * batch_size, n)))

    return _ahead(steps, read, x, workers=1)


def blocks(x: Rows, size: int = BATCH) -> Iterator[np.ndarray]:
    """All rows once, in their order, as dense arrays: for a function of tensors; making no tf.data costs no tracing."""
    return (np.asarray(x[rows]) for rows in spans(len(x), x.shape[1], size))


def hold(x: Rows) -> tf.Tensor | None:
    """A copy of x in the machine's memory, from which batches are gathered; None of what stays sparse or in a file."""
    if not isinstance(x, np.ndarray):
        return None
    with tf.device("CPU"):
        return tf.constant(x)


def _gatherer(x: Rows | tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Row numbers [batch] -> dense rows [batch, D]. A sparse matrix stays in SciPy, rows of a file in the file."""
    if isinstance(x, (np.ndarray, tf.Tensor)):
        rows = x if isinstance(x, tf.Tensor) else hold(x)
        return lambda indices: tf.gather(rows, indices)
    found: Any = weakref.proxy(x)  # what reads is kept by TensorFlow, see `_from_file`
    kind, width = x.dtype, x.shape[1]

    def gather(indices):
        batch = tf.numpy_function(lambda numbers: found[numbers], [indices], kind, stateful=False)
        return tf.ensure_shape(batch, (None, width))

    return gather


def buffers(
    n: int, row_bytes: int, batch_size: int, seed: int, number: int, slices: Slices = WHOLE
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The order in which a pass, by its number, reads rows of a file, each row once.

    A row alone is slow to fetch, so shards of rows that follow one another are put in another order, and some at a time
    are mixed in a buffer. A pass takes the rows as a ring and cuts it open at a place of its own, so that shards begin
    elsewhere each time. A buffer is cut into lots, of which every batch has as many rows each: so a device that takes a
    slice of every batch reads some of the lots, or all where they cannot be shared, and the batches are the same
    whatever the number of devices. Rows that are left after whole batches are a buffer of their own, which all read.

    Yields:
        Numbers of rows, int [m], in runs that follow one another in the file; and where the rows of each batch and
        slice are among them, int [batches, slices, rows].
    """
    random, lots = generator(seed, ORDER, number + 1), math.gcd(batch_size, MAX_LOTS)
    shard = max(1, SHARD_BYTES // row_bytes)  # rows of one, and of a buffer
    buffer = max(1, BUFFER_BYTES // (row_bytes * batch_size)) * batch_size
    cut, count = int(random.integers(n)), math.ceil(n / shard)
    shards = np.append(random.permutation(count - 1), count - 1)  # the last one may be shorter

    def at(places: np.ndarray) -> np.ndarray:
        return (cut + shards[places // shard] * shard + places % shard) % n

    own, of = slices
    shared = lots % of == 0
    mine = np.arange(own.start * lots // of, own.stop * lots // of) if shared else np.arange(lots)
    for i, start in enumerate(range(0, n, buffer)):
        batches, left = divmod(min(buffer, n - start), batch_size)
        each = batches * batch_size // lots  # rows of a lot
        if batches:
            orders = [
                place * each + generator(seed, ORDER, number + 1, i + 1, int(lot) + 1).permutation(each)
                for place, lot in enumerate(mine)
            ]
            picks = np.stack(orders).reshape(len(mine), batches, -1).transpose(1, 0, 2)
            picks = picks.reshape(batches, len(own) if shared else of, -1)
            first = start + int(mine[0]) * each
            yield at(np.arange(first, first + len(mine) * each)), picks if shared else picks[:, own]
        if left:
            order = generator(seed, ORDER, number + 1, i + 1).permutation(left)
            size = math.ceil(left / of)
            picks = order[(np.array(own)[:, None] * size + np.arange(size)) % left]
            yield at(np.arange(n - left, n)), picks[None]


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
    images = tf.reshape(tf.cast(x, tf.float32), (-1, height, width, channels)) - how.background
    long = max(height, width) / max(min(height, width), 1)
    angle, zoom = u[:, 0] * (ROTATION * math.pi / 180 / long), 1.0 + ZOOM * u[:, 1]
    a, b = zoom * tf.cos(angle), -(zoom * tf.sin(angle))  # from places in the result to those in the image: [a, b]
    c, d = zoom * tf.sin(angle), a  # [c, d]
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    zero = tf.zeros_like(a)
    right, down = width * (SHIFT * u[:, 2]), height * (SHIFT * u[:, 3])
    rows = [a, b, x0 - a * x0 - b * y0 + right, c, d, y0 - c * x0 - d * y0 + down, zero, zero]
    moved = how.background + tf.raw_ops.ImageProjectiveTransformV3(
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
