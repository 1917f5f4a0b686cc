"""What a column is taken for, and which are left out."""

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many

from vade_tf.data.columns import Column
from vade_tf.data.inference import infer
from vade_tf.errors import InputError


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (NUMBERS, "number"),
        ([str(number) for number in NUMBERS], "number"),
        (many([1, 2, 3]), "number"),
        (many([0, 1]), "boolean"),
        (many(["no", "yes", None]), "boolean"),
        (many([True, False, None]), "boolean"),
        (many(["red", "green", "blue"]), "category"),
        (many(["1", "2", "3+"]), "category"),
        (many([True, "yes", 3]), "category"),
        (many(["192.168.1.1", "192.168.1.2", "10.0.0.1"]), "category"),
        (pandas.Categorical(many([1, 2, 3])), "category"),
        (pandas.Categorical(many(["2020-01-02", "2020-01-03", "2020-01-04"])), "category"),
        (pandas.Categorical(many(["s", "l"]), ["s", "m", "l"], ordered=True), "ordered"),
        (pandas.date_range("2020-01-01", periods=60), "date"),
        (many(["2020-01-02", "2021-05-06"]), "date"),
        (many([pandas.Timestamp(2020, 1, 2).date(), pandas.Timestamp(2021, 1, 2).date()]), "date"),
        (pandas.array(many([1, 2, 3, None]), "Int64"), "number"),
        (pandas.array(many(["a", "b", "c"]), "string[pyarrow]"), "category"),
        (many([1 + 2j, 2, 3]), "category"),
    ],
)
def test_what_a_column_is_taken_for(cells, kind):
    found = infer("v", pandas.Series(cells), "x")
    assert isinstance(found, Column), found
    assert found.kind == kind


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("v", [None] * 60, "it has no value"),
        ("v", many(["", "NA"]), "it has no value"),
        ("v", [7] * 60, "its value is always 7"),
        ("v", many(["x", None]), "its only value is 'x'"),
        ("v", range(60), "it counts the rows from 0"),
        ("v", range(1, 61), "it counts the rows from 1"),
        ("Unnamed: 0", range(100, 160), "an identifier: 60"),
        ("", [f"row {i}" for i in range(60)], "an identifier: 60"),
        *(
            (name, [7 * i for i in range(60)], "an identifier: 60")
            for name in ("id", "ID", "user_id", "userId", "index")
        ),
        ("v", [f"name {i}" for i in range(60)], "60 different texts in 60 rows"),
        ("v", pandas.Categorical([f"name {i}" for i in range(60)]), "60 different categories in 60 rows"),
    ],
)
def test_what_is_left_out_and_why(name, cells, reason):
    found = infer(name, pandas.Series(cells), "x")
    assert isinstance(found, str), found
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("covid", [7 * i for i in range(60)]),  # by a chance ending
        ("id", many([1, 2, 3])),  # few values
        ("id", [i / 7 for i in range(60)]),  # fractions name nothing
        ("v", [0, 1, 2, 3]),  # few rows
        ("v", [f"name {i}" for i in range(50)]),  # few levels
    ],
)
def test_what_stays(name, cells):
    assert isinstance(infer(name, pandas.Series(cells), "x"), Column)


def test_rows_at_even_distances_are_counted_by_their_index():
    rows = np.arange(0, 600, 10)
    assert infer("v", pandas.Series(rows, pandas.RangeIndex(0, 600, 10)), "x") == "it counts the rows from 0"
    assert isinstance(infer("v", pandas.Series(rows), "x"), Column)


@pytest.mark.parametrize("cells", [many([1, 2, np.inf]), many([1, np.inf]), many([1, 2, 1e31])])
def test_numbers_are_finite(cells):
    with pytest.raises(InputError, match="^data: expected finite numbers below 1e30 in column 'v'"):
        infer("v", pandas.Series(cells), "data")
