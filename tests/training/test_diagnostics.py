"""What is said of the rows themselves: copies, constant columns, outliers; and of sound ones nothing."""

import re

import numpy as np
import pandas
import pytest

from vade_tf.data.observations import observe
from vade_tf.training.diagnostics import of_rows


def plain(rng, n=500):
    return rng.normal(size=(n, 4)).astype("f4")


def test_of_sound_rows_nothing_is_said(rng):
    x = plain(rng)
    x[::7, 1] = x[3, 1]  # some values may be the same
    assert of_rows(observe(x)) == []
    assert of_rows(observe(rng.integers(0, 256, (50, 6, 6)).astype("u1"))) == []


def changed(what, x):
    if what == "copies":
        x[:300] = x[0]
    elif what == "constant":
        x[:, 2] = 5
    else:
        x[:3, 1] = 1e4
    return x


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("copies", "60% of the rows are copies"),
        ("constant", "the same value in every row: column 2"),
        ("far", "3 rows lie .* column 'b'"),
    ],
)
def test_what_is_noteworthy_is_one_sentence_with_its_columns(rng, what, said):
    x = changed(what, plain(rng))  # a DataFrame's constant columns are left out already
    (found,) = of_rows(observe(x if what == "constant" else pandas.DataFrame(x, columns=list("abcd"))))
    assert re.search(said, found)


def test_rows_that_are_all_the_same_are_told_alone():
    (found,) = of_rows(observe(np.full((50, 3), 2.0, "f4")))
    assert "all the same" in found
