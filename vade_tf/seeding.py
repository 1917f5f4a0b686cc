"""From one seed to all random numbers: each use names a stream by numbers, its path.

Noise of a training step is a pure function of (seed, step), see `model.vade`, and the order of a pass over the rows of
(seed, pass), see `data.pipeline`; everything else draws from the stream of its path. Uses that only choose rows to
look at may share one.
"""

import enum

import numpy as np


class Stream(enum.IntEnum):
    """The first number of a path: what the random numbers are for."""

    VALIDATION = 2
    START_ROWS = 4
    SELF_TRAINING = 5
    ENSEMBLE = 6
    SPACES = 7
    AUGMENTATION = 8
    OWN_LAYERS = 9
    LOOKED_AT = 10
    N_CLUSTERS = 11


def fold(seed: int, *path: int) -> int:
    """The seed of the stream that `path` names, from 0 to 2^31 - 1: same seed and path, same number.

    Different paths give independent streams, unless they differ by zeros at their end alone.
    """
    return several(seed, 1, *path)[0]


def several(seed: int, n: int, *path: int) -> list[int]:
    """n seeds of the stream that `path` names; the first of them is `fold(seed, *path)`."""
    return [int(number) for number in np.random.SeedSequence((seed, *path)).generate_state(n) >> 1]


def generator(seed: int, *path: int) -> np.random.Generator:
    """A NumPy generator of the stream that `path` names."""
    return np.random.default_rng((seed, *path))


def subset(n: int, size: int, seed: int, *path: int) -> np.ndarray:
    """Numbers of some of n rows, drawn from the stream that `path` names, ascending, int [size]; all of n <= size.

    Takes the memory of what it gives where that is less than a fiftieth of n, else of n numbers.
    """
    return np.arange(n) if n <= size else np.sort(generator(seed, *path).choice(n, size, replace=False))
