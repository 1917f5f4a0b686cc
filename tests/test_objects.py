"""Numbers, truth values and dates that a table holds as objects are those of columns of their own type."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas
import pytest

from vade_tf.data.filling import filled
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError

OTHER = np.arange(6) ** 2 / 4  # a column beside the one that is asked for
FORMS = {
    "objects": lambda frame: frame.astype(object),
    "turned": lambda frame: frame.T.assign(name="g").T.iloc[: len(frame)],  # a column of names, transposed away
    "decimals": lambda frame: frame.map(lambda cell: cell if isinstance(cell, bool) else Decimal(str(cell))),
    "some decimals": lambda frame: frame.map(lambda cell: Decimal(cell) if cell == 1 else cell).astype(object),
}


def beside(cells, dtype=object):
    return pandas.DataFrame({"c": pandas.Series(cells, dtype=dtype), "n": OTHER[: len(cells)]})


def coded(schema, cells, dtype=object):
    return schema.encode(beside(cells, dtype))[0][:, 0].tolist()


BIG = [10155208888888887, 10155208888888889, 12345678901234567890, 10**25]


@pytest.mark.parametrize("kind", [int, Decimal])
@pytest.mark.parametrize("cells", [BIG[:2], [*BIG[:2], None], BIG[2:]])
def test_whole_numbers_that_a_float_does_not_tell_apart_are_two_values_all_the_same(cells, kind):
    frame = beside([None if cell is None else kind(cell) for cell in cells] * 2)
    schema = Schema.infer(frame)
    assert schema.columns[0].kind == "boolean"
    x, notes = schema.encode(frame)
    assert not notes
    assert [None if np.isnan(value) else value for value in x[: len(cells), 0]] == [0, 1, None][: len(cells)]


def test_a_third_level_beside_no_and_yes_leaves_them_what_they_are_written():
    schema = Schema.infer(beside([0, True, "maybe"] * 2))
    assert coded(schema, [0, True, "maybe"]) == [1, 0, 0]
    assert np.isnan(coded(schema, [False])).all()


@pytest.mark.parametrize(
    "cells", [[0.0, 1.0], [Decimal("0.00"), Decimal("1.00")], [False, 1], [0, True], [False, True]]
)
def test_no_and_yes_are_the_same_in_any_type(cells):
    schema = Schema.infer(beside(cells * 3))
    assert schema.columns[0].kind == "boolean"
    assert all(isinstance(level, (bool, int, float)) for level in schema.columns[0].levels)  # as JSON can hold them
    for new in (cells, [0, 1], [0.0, 1.0], [False, True], ["0", "1"], [Decimal(0), Decimal("1.000")]):
        assert coded(schema, new) == [0, 1]
    assert coded(schema, [False, True], bool) == [0, 1]
    assert coded(schema, [False], object) == [0]  # alone, too


def test_nothing_and_another_number_are_no_answer_of_no_and_yes():
    assert coded(Schema.infer(beside([0, 5] * 3)), [0, 5]) == [0, 1]


def test_a_decimal_is_known_by_its_value():
    schema = Schema.infer(beside([Decimal("1.1"), Decimal("2.5")] * 3))
    assert coded(schema, [Decimal("1.10"), 2.5, Decimal("2.500")]) == [0, 1, 1]


def test_two_days_as_texts_are_days_as_two_stamps_are():
    texts = ["2020-01-01", "2021-01-01"]
    schema = Schema.infer(beside(texts * 3))
    assert schema.columns[0].kind == Schema.infer(beside(pandas.to_datetime(texts * 3), None)).columns[0].kind == "date"
    assert coded(schema, pandas.to_datetime(texts), None) == coded(schema, texts) == [-183, 183]


def test_one_moment_in_two_writings_and_categories_are_no_two_days():
    for cells in (["2020-01-01", "2020-01-01T00:00"], pandas.Categorical(["2020-01-01", "2021-01-01"])):
        frame = pandas.DataFrame({"c": cells, "n": OTHER[:2]})
        assert Schema.infer(frame.loc[[0, 1, 0, 1]]).columns[0].kind == "boolean"


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_no_number_is_infinite_in_a_column_of_two_values_either(infinite):
    with pytest.raises(InputError, match=rf"^x: expected finite numbers .* column 'c', got {infinite} at row 1; drop"):
        Schema.infer(beside([2.0, infinite] * 3, float))
    with pytest.raises(InputError, match=rf"got {infinite} at row 4; drop"):  # of rows at even distances
        Schema.infer(beside([2.0, 3.0, 2.0, 3.0, infinite, 3.0], float).iloc[::2])


def test_spans_and_periods_may_lie_beyond_what_nanoseconds_reach():
    spans = Schema.infer(beside([timedelta(days=200_000 + i) for i in range(5)] + [None]))
    assert spans.columns[0].kind == "number"
    found = coded(spans, [timedelta(days=200_001), timedelta(days=200_003, hours=12), None])
    assert found[1] - found[0] == 2.5
    assert np.isnan(found[2])
    months = Schema.infer(beside(pandas.PeriodIndex(["9999-12", "2000-01", "2000-03"] * 2, freq="M"), None))
    found = coded(months, pandas.PeriodIndex(["9999-12", "2000-02", None], freq="M"), None)
    assert found[0] - found[1] == 2932866 - 10988  # days since 1970-01-01
    assert np.isnan(found[2])


def test_decimals_are_filled_as_real_numbers_in_blocks_without_a_missing_cell_too():
    """The blocks of a file are written into one column, which has one type."""
    frame = beside([Decimal("1.50"), Decimal("2.25"), Decimal("4.00"), Decimal("8.00"), None, Decimal("3.00")])
    schema = Schema.infer(frame)
    x = schema.encode(frame)[0]
    x[4, 0] = x[0, 0]
    for rows in (slice(0, 4), slice(4, 6), slice(0, 6)):
        found = filled(frame.iloc[rows], schema, x[rows])["c"]
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, np.array([1.5, 2.25, 4, 8, 1.5, 3])[rows])
