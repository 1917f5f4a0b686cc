"""Digits with a 0 in front are codes, such as postcodes, and no amounts; padded numbers stay numbers where they may."""

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many, written

from vade_tf.data.files import load_file
from vade_tf.data.schema import Schema

POSTCODES = ["01067", "53111", "89073", "04109"]


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("hole", [None, "NA"])
def test_codes_are_categories_and_new_ones_are_read_alike(tmp_path, as_file, hole):
    cells = [*many(POSTCODES, 59), hole]
    frame = pandas.DataFrame({"a": NUMBERS, "zip": cells})
    schema = Schema.infer(frame)
    if as_file:
        data = load_file(written(tmp_path, frame.to_csv(index=False)))
        assert data.schema == schema
        assert "digits with a 0 in front are codes, no amounts: 'zip'" in data.notice
        new = load_file(written(tmp_path, "a,zip\n1.5,01067\n2.5,53111\n"), schema=schema).x
        np.testing.assert_array_equal(new, schema.encode(pandas.DataFrame({"a": [1.5, 2.5], "zip": POSTCODES[:2]}))[0])
    column = schema.columns[1]
    assert (column.kind, column.levels, column.missing) == ("category", tuple(sorted(POSTCODES)), 1)


def test_codes_that_pandas_has_read_as_numbers_are_those_of_training(tmp_path):
    """Nobody tells `pandas.read_csv` of their type."""
    schema = Schema.infer(pandas.DataFrame({"a": NUMBERS, "zip": many(POSTCODES)}))
    file = written(tmp_path, "a,zip\n1,01067\n2,53111\n3,\n4,89073\n5,04109\n6,4110\n")
    found, notes = schema.encode(pandas.read_csv(file))
    np.testing.assert_array_equal(found, schema.encode(pandas.read_csv(file, dtype={"zip": str}))[0])
    assert not np.isnan(found[[0, 1, 3, 4], 1:]).any()
    assert notes == ["1 cell of 'zip' holds a value that training did not see: '4110': taken as missing"]
    alike = Schema.infer(pandas.DataFrame({"a": NUMBERS, "zip": many(["01067", "0001067", "53111"])}))
    assert np.isnan(alike.encode(pandas.DataFrame({"a": [1.0], "zip": [1067]}))[0][0, 1:]).all()


@pytest.mark.parametrize(
    "cells",
    [
        ["00", "07", "23", "12"],
        ["007.5", "012.5", "1", "3"],
        ["0", "100", "250", "30"],
        ["0800", "1730", "2359", "0005"],
        ["0012", "0345", "1871", "9999"],
        ["080000", "173059", "235959", "000500"],
    ],
)
def test_padded_times_readings_and_fractions_are_numbers(tmp_path, cells):
    frame = pandas.DataFrame({"a": NUMBERS, "v": many(cells)})
    for schema in (Schema.infer(frame), load_file(written(tmp_path, frame.to_csv(index=False))).schema):
        assert schema.columns[1].kind == "number"


def test_a_table_that_is_padded_throughout_holds_numbers(tmp_path):
    """As numpy.savetxt writes grey values with fmt="%05d"."""
    x = np.random.default_rng(0).integers(0, 255, (40, 6))
    np.savetxt(tmp_path / "t.csv", x, "%05d", ",", header="a,b,c,d,e,f", comments="")
    np.testing.assert_array_equal(load_file(str(tmp_path / "t.csv")).x, x)


def test_codes_beside_one_amount_are_codes_and_most_of_many_columns_are_padded(tmp_path):
    lines = [f"0{1067 + i % 3},0171{i % 3:03d},{7 * i % 60}" for i in range(60)]
    schema = load_file(written(tmp_path, "\n".join(["zip,phone,amount", *lines]))).schema
    assert [column.kind for column in schema.columns] == ["category", "category", "number"]
    x = np.random.default_rng(0).integers(0, 255, (40, 12))
    names = ",".join(f"p{i}" for i in range(12))
    table = "\n".join(
        [f"{names},kind", *(",".join([*(f"{v:05d}" for v in row), "ab"[i % 2]]) for i, row in enumerate(x))]
    )
    found = load_file(written(tmp_path, table)).schema
    assert {column.kind for column in found.columns[:12]} == {"number"}


def test_numbers_in_a_run_of_before_and_in_plain_tables_stay_numbers(tmp_path):
    schema = Schema.infer(pandas.DataFrame({"a": NUMBERS, "zip": many([1067, 53111, 89073, 4109])}))
    assert schema.columns[1].kind == "number"
    file = written(tmp_path, "a,zip\n1.5,01067\n2.5,53111\n")
    for how in ({"schema": schema}, {"plain": True}):
        np.testing.assert_array_equal(load_file(file, **how).x, [[1.5, 1067], [2.5, 53111]])


def test_codes_of_which_nearly_all_differ_are_left_out():
    left = Schema.infer(
        pandas.DataFrame({"a": NUMBERS, "part": [f"{7919 * i % 99991:06d}" for i in range(60)]})
    ).dropped
    assert left["part"] == "60 different codes with a 0 in front in 60 rows (amounts? write them without the 0)"
    counted = pandas.DataFrame({"a": NUMBERS, "no": [f"{i:05d}" for i in range(60)]})
    assert Schema.infer(counted).dropped == {"no": "it counts the rows from 0"}
