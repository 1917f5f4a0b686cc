"""The schema of a table: what each column is taken for, its features, the way back, and what new rows may hold."""

import datetime
import time

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many

from vade_tf.data.cells import number_key
from vade_tf.data.columns import Column
from vade_tf.data.filling import filled
from vade_tf.data.inferring import MOST_LEVELS
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError


def kinds(frame) -> dict:
    """Name -> kind of each column that is used, and the reason of each that is not."""
    schema = Schema.infer(pandas.DataFrame(frame))
    return {column.name: column.kind for column in schema.columns} | schema.dropped


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (NUMBERS, "number"),
        ([str(v) for v in NUMBERS], "number"),
        ([str(v).replace(".", ",") for v in NUMBERS], "number"),
        ([None, *NUMBERS[1:]], "number"),
        (many([1, 2, 3]), "number"),
        (many(["0", "1"]), "boolean"),
        (many([0, 1]), "boolean"),
        (many(["n", "y", None]), "boolean"),
        (many([True, False, None]), "boolean"),
        (many(["left", "right"]), "boolean"),
        (many(["red", "green", "blue"]), "category"),
        (many(["0", "1", "2", "3+"]), "category"),
        (many([b"n", b"y", b"?"]), "boolean"),
        (many([b"red", b"green", None, b"blue"]), "category"),
        ([str(v).encode() for v in NUMBERS], "number"),
        (pandas.Categorical(many([1, 2, 3])), "category"),
        (pandas.Categorical(many(["low", "mid", "high"]), ["low", "mid", "high"], ordered=True), "ordered"),
        (pandas.date_range("2020-01-01", periods=60, freq="37h"), "date"),
        ([f"2021-03-{1 + i % 28:02d}" for i in range(60)], "date"),
        ([f"{1 + i % 28}.3.2021" for i in range(60)], "date"),
        ([f"{1 + i % 28}/3/2021" for i in range(60)], "date"),
        ([datetime.date(2020, 1, 1 + i % 28) for i in range(60)], "date"),
        ([pandas.Timedelta(hours=7 * i * i) for i in range(60)], "number"),
        (pandas.array(many([1, 5, None, 9]), "Int64"), "number"),
    ],
)
def test_what_a_column_is_taken_for(cells, kind):
    frame = pandas.DataFrame({"c": cells})
    assert kinds(frame)["c"] == kind
    schema = Schema.infer(frame)
    assert sum(width for _, width in schema.blocks) == len(schema.features) == schema.encode(frame)[0].shape[1]


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("c", [7] * 60, "its value is always 7"),
        ("c", many([7, None]), "its only value is 7"),
        ("c", [None] * 60, "it has no value"),
        ("c", [" "] * 60, "it has no value"),
        ("c", range(60), "it counts the rows from 0"),
        ("c", range(1, 61), "it counts the rows from 1"),
        ("Unnamed: 0", range(100, 160), "an index"),
        ("Id", [7 * i * i for i in range(60)], "an identifier: 60 different values in 60 rows"),
        ("patient_id", [f"p{i}" for i in range(60)], "an identifier"),
        ("sampleId", [7 * i * i for i in range(60)], "an identifier"),
        ("c", [f"text {i}" for i in range(60)], "60 different texts in 60 rows"),
    ],
)
def test_what_is_left_out_and_why(name, cells, reason):
    assert kinds({name: list(cells), "v": NUMBERS})[name].startswith(reason)


def test_bytes_are_the_texts_that_they_hold():
    """As scipy.io.arff.loadarff gives them."""
    texts = pandas.DataFrame({"answer": many(["y", "n", "?"]), "colour": many(["red", "gr\u00fcn", "blue", "red"])})
    stored = texts.map(str.encode)
    schema = Schema.infer(stored)
    assert schema == Schema.infer(texts)
    np.testing.assert_array_equal(schema.encode(stored)[0], schema.encode(texts)[0])
    whole = filled(stored, schema, np.nan_to_num(schema.encode(stored)[0]))
    assert whole["answer"].tolist() == many(["y", "n", "n"])


def test_names_are_no_categories_whatever_pandas_calls_them():
    cells = [f"text {i}" for i in range(400)]
    assert kinds({"c": pandas.Categorical(cells), "v": range(3, 403)})["c"] == "400 different categories in 400 rows"
    assert kinds({"c": pandas.Categorical(cells * 2), "v": range(3, 803)})["c"] == "category"


@pytest.mark.parametrize("name", ["valid", "acid", "width", "paid", "Madrid"])
def test_no_identifier_by_a_chance_ending(name):
    assert kinds({name: [7 * i * i for i in range(60)]})[name] == "number"


def test_a_quantity_with_a_name_of_an_identifier_but_few_values_stays():
    assert kinds({"group_id": many([1, 2, 3, 5])})["group_id"] == "number"


def test_a_text_in_a_column_of_numbers_is_a_slip_and_not_a_category():
    cells = [str(v) for v in NUMBERS]
    cells[17] = "red"
    with pytest.raises(InputError, match=r"^t: expected a number .* column 'c', .* got 'red' at row 17 \(1 such"):
        Schema.infer(pandas.DataFrame({"c": cells}), "t")


@pytest.mark.parametrize(
    "cells", [[*(f"${i % 35}.00" for i in range(90)), "call"], [*(f"{i % 80}%" for i in range(200)), "low"]]
)
def test_a_slip_among_numbers_with_a_sign_is_one_too(cells):
    with pytest.raises(InputError, match="expected a number"):
        Schema.infer(pandas.DataFrame({"price": cells, "size": range(len(cells))}))


def test_a_category_of_codes_is_one_though_most_of_them_are_numbers():
    cells = [*map(str, range(200, 230)), "V45"] * 3
    assert kinds({"c": pandas.Categorical(cells)})["c"] == "category"


def test_codes_of_which_a_quarter_are_no_numbers_are_a_category():
    cells = [*map(str, range(200, 230)), *(f"V{i}" for i in range(10))] * 3
    assert kinds({"c": cells})["c"] == "category"


def test_rare_levels_are_joined_and_unseen_ones_go_with_them():
    cells = [f"l{i}" for i in range(MOST_LEVELS + 20) for _ in range(3)] + ["l3", "l5"]
    frame = pandas.DataFrame({"c": cells})
    (column,) = Schema.infer(frame).columns
    assert (column.width, column.levels[-1], column.rest) == (MOST_LEVELS, "other", True)
    assert {"l3", "l5"} <= set(column.levels)
    x, notes = Schema((column,), {}).encode(pandas.DataFrame({"c": ["l3", "never seen"]}))
    assert (x.argmax(axis=1).tolist(), notes) == ([column.levels.index("l3"), MOST_LEVELS - 1], [])


def test_an_empty_cell_is_none_of_the_rare_levels():
    levels = [f"l{i}" for i in range(MOST_LEVELS + 20) for _ in range(3)]
    schema = Schema.infer(pandas.DataFrame({"c": levels, "w": np.arange(len(levels)) % 7}))
    x, notes = schema.encode(pandas.DataFrame({"c": ["l3", None, "l3"], "w": 1}))
    np.testing.assert_array_equal(np.isnan(x[:, :-1]).all(axis=1), [False, True, False])
    assert (np.isnan(x).any(axis=1).sum(), notes) == (1, [])


def test_a_rank_beyond_either_end_is_the_end():
    found = Column("size", "ordered", ("s", "m", "l")).decode(np.array([[-3.2], [-0.6], [1.2], [2.6], [9.0]]))
    assert found.tolist() == ["s", "s", "m", "l", "l"]


def test_a_long_cell_that_is_nearly_a_number_is_seen_at_once():
    """Each digit could have been the last before a point, or the first behind it: 4 hours for a million."""
    begun = time.process_time()
    assert number_key("1" * 1_000_000 + "x") == "1" * 1_000_000 + "x"
    assert time.process_time() - begun < 5
    for text, key in (("1.", "1"), (".5", "0.5"), ("-2.50e1", "-25"), ("1.2.3", "1.2.3"), (".", ".")):
        assert number_key(text) == key


def test_grades_beside_answers_leave_them_answers(rng):
    """However many there are: they have no tail, and the age would be most of what is counted."""
    answers = {f"a{i}": (rng.random(300) < 0.3).astype(int) for i in range(50)}
    grades = {f"g{i}": np.where(rng.random(300) < 0.7, 0, rng.integers(1, 4, 300)) for i in range(24)}
    for more in ({}, {"age": rng.integers(18, 90, 300)}):
        families = dict.fromkeys(
            family for family, _ in Schema.infer(pandas.DataFrame({**answers, **grades, **more})).blocks
        )
        assert list(families) == ["bernoulli", "gaussian"]


@pytest.mark.parametrize("name", ["Customer ID", "order-id", "user.id", "userID", "index", "Row_ID", "rowid"])
def test_identifiers_in_every_spelling(name):
    assert kinds({name: [7 * i * i for i in range(60)], "v": NUMBERS})[name].startswith("an identifier")


def test_a_level_called_other_is_the_one_that_joins_the_rare_ones():
    cells = ["other"] * 9 + [f"l{i}" for i in range(MOST_LEVELS + 20) for _ in range(3)]
    schema = Schema.infer(pandas.DataFrame({"c": cells}))
    assert schema.columns[0].levels.count("other") == 1
    assert Schema.from_dict(schema.to_dict()) == schema


def test_prices_with_a_heavy_tail_are_read_as_they_are_written(rng):
    prices = np.exp(rng.normal(8, 1.5, 2000)).round(2)
    frame = pandas.DataFrame({"price": [f"${price:,.2f}" for price in prices]})
    schema = Schema.infer(frame)
    assert schema.columns[0].form == "$1,000.5"
    np.testing.assert_allclose(schema.decode(schema.encode(frame)[0])["price"], prices, rtol=1e-5)


@pytest.mark.parametrize(("known", "new"), [("float64", "float32"), ("float32", "float64")])
def test_two_fractions_are_the_same_in_any_precision(known, new):
    frame = pandas.DataFrame({"dose": many([0.1, 0.9]), "v": NUMBERS})
    schema = Schema.infer(frame.astype(known))
    x, notes = schema.encode(frame.astype(new))
    np.testing.assert_array_equal(x[:, 0], frame["dose"] == 0.9)
    assert notes == []


def test_names_times_levels_are_bounded():
    """A name of a million letters and ten thousand levels would be features of ten thousand million."""
    found = Schema.infer(pandas.DataFrame({"c": many(["a", "b", "c"])})).to_dict()
    found["columns"][0] |= {"name": "n" * 10**6, "levels": [f"l{i}" for i in range(10_000)]}
    with pytest.raises(ValueError, match="names that are too long"):
        Schema.from_dict(found)


def test_a_whole_number_that_single_precision_takes_for_another_is_unknown():
    column = Column("c", "category", (123456789, 223456789, 323456789))
    x, note, _ = column.encode(pandas.Series([123456790, 223456789]), "x")
    assert np.isnan(x[0]).all()
    assert "123456790" in note
    assert x[1].tolist() == [0, 1, 0]


def test_what_is_declared_as_categories_is_none_of_numbers():
    codes = [f"{11 + i}-{2021 + i}" for i in range(MOST_LEVELS + 20)] * 12
    frame = pandas.DataFrame({"soc": pandas.Categorical(codes), "v": np.arange(len(codes)) % 7})
    assert Schema.infer(frame).columns[0].kind == "category"
    assert "numbers or dates" in Schema.infer(frame.astype({"soc": object})).dropped["soc"]


def test_a_rank_that_is_missing_comes_back_as_none():
    column = Column("size", "ordered", ("s", "m", "l"))
    x = column.encode(pandas.Series(["m", None, "s"]), "x")[0]
    np.testing.assert_array_equal(x[:, 0], [1, np.nan, 0])
    found = column.decode(x)
    assert found.isna().tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == ["m", "s"]
