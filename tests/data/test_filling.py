"""Missing cells are filled in as their column has them, and every other cell stays as it came."""

import datetime

import numpy as np
import pandas
import pytest
from small_tables import many

from vade_tf.data.filling import filled, left_empty
from vade_tf.data.schema import Schema

DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(7 * i % 300) for i in range(60)]
ZONED = pandas.date_range("2020-03-28", periods=60, freq="31min", tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([i / 4 for i in range(60)], "float64"),
        (pandas.array([i % 7 for i in range(60)], "Int64"), "Int64"),
        (pandas.Series(DAYS), "object"),
        (pandas.Series(DAYS).astype("date32[pyarrow]"), "date32[day][pyarrow]"),
        (ZONED, str(ZONED.dtype)),
        (pandas.to_timedelta(range(60), unit="h"), "timedelta64[ns]"),
        (many(["red", "green", "blue"]), "object"),
        (pandas.Categorical(many(["red", "green", "blue"])), "category"),
        (pandas.Categorical(many(["s", "l", "m"]), ["s", "m", "l"], ordered=True), "category"),
        (pandas.array(many([True, False]), "boolean"), "boolean"),
        (many(["1.2.2020", "13.12.2020", "02.03.2021"]), "object"),
        (many(["2020-01-02", "2020-01-03", "2020-01-05"]), "object"),
        (many(["01/02/2020 08:26 PM", "10/12/2020 10:00 AM"]), "object"),
    ],
)
def test_cells_of_every_kind_are_filled_in_their_kind(cells, kind):
    """With its own value, which each other cell then has, too."""
    table = pandas.DataFrame({"v": cells, "w": np.arange(60) % 7, "note": "x"})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    pandas.testing.assert_frame_equal(filled(table, schema, x), table)  # nothing is missing
    holes = table.copy()
    holes.loc[3, "v"] = None
    found = filled(holes, schema, x)
    assert str(found["v"].dtype) == kind
    pandas.testing.assert_frame_equal(found.drop(3), table.drop(3))
    np.testing.assert_allclose(schema.encode(found)[0], x, atol=1e-3)


def test_a_fraction_may_be_filled_into_whole_numbers():
    table = pandas.DataFrame({"v": pandas.array([1, 2, 4, None], "Int64")})
    schema = Schema.numbers(table)
    assert filled(table, schema, np.full((4, 1), 2.5))["v"].tolist() == [1, 2, 4, 2.5]


def test_no_cell_is_filled_with_other():
    table = pandas.DataFrame({"v": [f"w{i}" for i in range(120)] * 3})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    x[:, -1] = 9
    assert "other" not in set(filled(table.mask(table == "w7"), schema, x)["v"])


def test_cells_of_a_text_file_stay_as_they_are_written():
    """Digit for digit; what is filled in is text as well."""
    written = pandas.DataFrame({"a": ["1.50", "", "0003"], "b": ["yes", "no", ""], "note": ["x", "NA", ""]})
    table = pandas.DataFrame({"a": [1.5, None, 3], "b": ["yes", "no", None], "note": ["x", None, None]})
    schema = Schema.infer(pandas.DataFrame({"a": [1.5, 2, 3], "b": ["yes", "no", "yes"]}))
    found = filled(table, schema, np.array([[1.0, 0], [2.25, 0], [3, 1]]), written)
    assert found["a"].tolist() == ["1.50", "2.25", "0003"]
    assert found["b"].tolist() == ["yes", "no", "yes"]
    assert found["note"].tolist() == ["x", "NA", ""]


def test_columns_that_training_left_out_stay_empty_and_are_named():
    table = pandas.DataFrame({"a": many([1, 2, 3]), "name": [f"row {i}" for i in range(60)], "c": 1})
    schema = Schema.infer(table)
    table.loc[:1, ["a", "name"]] = None
    assert left_empty([table[:30], table[30:]], schema) == [
        "missing cells stay in columns that training left out: 'name' (2)"
    ]
    assert left_empty([table[30:]], schema) == []
    assert filled(table, schema, np.ones((60, 1)))["name"].isna().sum() == 2
