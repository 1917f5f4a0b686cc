"""Streams of random numbers: what a seed and a path give, and what they never give."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vade_tf import seeding

seeds = st.integers(0, 2**31 - 1)
paths = st.lists(st.integers(0, 1000), max_size=3)


@given(seeds, paths, st.integers(1, 5))
def test_a_stream_is_a_pure_function_of_seed_and_path(seed, path, n):
    numbers = seeding.several(seed, n, *path)
    assert len(numbers) == n
    assert all(isinstance(number, int) and 0 <= number < 2**31 for number in numbers)
    assert numbers == seeding.several(seed, n, *path)
    assert seeding.fold(seed, *path) == numbers[0]
    np.testing.assert_array_equal(*(seeding.generator(seed, *path).normal(size=3) for _ in range(2)))


def test_streams_differ_and_fill_their_range():
    """A thousand of them: seeds and paths, one number longer or shorter, or in another order."""
    streams = [(seed, *path) for seed in range(200) for path in ((), (1,), (0, 1), (1, 2), (2, 1))]
    folded = np.array([seeding.fold(*stream) for stream in streams])
    assert len(np.unique(folded)) == 1000
    assert folded.max() > 2**30
    assert len({seeding.generator(*stream).integers(2**62) for stream in streams}) == 1000


@given(st.integers(1, 300), st.integers(0, 300), seeds, paths)
def test_a_subset_is_drawn_without_repetition_in_order(n, size, seed, path):
    found = seeding.subset(n, size, seed, *path)
    assert len(found) == min(n, size)
    assert set(found) <= set(range(n))
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, seeding.subset(n, size, seed, *path))


def test_a_subset_of_many_rows_takes_the_memory_of_few():
    tracemalloc.start()
    found = seeding.subset(10**12, 1000, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.max() > 10**11
    assert peak < 10**6
