"""Columns and words at the limits of the rules that say what they are."""

import numpy as np
import pandas
import pytest
from scipy import stats

from vade_tf.data.columns import Column
from vade_tf.data.inferring import MOST_LEVELS
from vade_tf.data.schema import Schema
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError


def column_of(cells, name="c"):
    return Schema.infer(pandas.DataFrame({name: cells})).columns[0]


def at_quantiles(distribution, rows=300):
    return distribution.ppf((np.arange(rows) + 0.5) / rows)


@pytest.mark.parametrize(("spread", "counted"), [(1800, True), (2200, False)])
def test_numbers_are_counted_from_their_median_where_float32_blurs_a_thousandth_of_their_spread(spread, counted):
    """Beyond 2^24 it knows every second whole number."""
    v = 2**24 + 10_000 + spread * stats.zscore(np.linspace(0, 1, 61) ** 2)
    assert np.spacing(np.float32(v.max())) == 2
    assert column_of(v).offset == (np.median(v) if counted else 0)


@pytest.mark.parametrize(("different", "identifies"), [(54, True), (53, False)])
def test_nine_tenths_of_different_values_identify(different, identifies):
    cells = 7 * np.minimum(np.arange(60), different - 1) ** 2
    schema = Schema.infer(pandas.DataFrame({"id": cells, "v": np.arange(60) % 7}))
    assert ("id" in schema.dropped) == identifies


def test_a_slip_among_more_than_twenty_numbers_is_no_category():
    cells = [*map(str, range(200, 220))] * 3
    assert column_of([*cells, "V45"]).kind == "category"
    with pytest.raises(InputError, match="^x: expected a number in every row of column 'c', .* got 'V45' at row 61"):
        column_of([*cells, "220", "V45"])


def test_words_of_more_than_half_of_the_texts_do_not_count_and_others_by_the_logarithm_of_their_number():
    texts = [f"{'all ' * (i < 6)}{'half ' * (i < 5)}{'some ' * 3 * (i < 2)}" for i in range(10)]
    found = Texts.infer(texts)
    assert found.words == ("half", "some")
    weights = np.array([1, 1 + np.log(3)]) * (
        1 + np.log([11 / 6, 11 / 3])
    )  # scikit-learn's idf, as if one text had all
    np.testing.assert_allclose(found.encode(texts).toarray()[0], weights / np.linalg.norm(weights), rtol=1e-6)


def test_an_identifier_may_be_missing_in_some_rows():
    cells = [None if i % 4 == 0 else f"p{i}" for i in range(60)]
    schema = Schema.infer(pandas.DataFrame({"patient_id": cells, "v": np.arange(60) % 7}))
    assert schema.dropped == {"patient_id": "an identifier: 45 different values in 45 rows"}


@pytest.mark.parametrize(("every", "form"), [(12, "%"), (9, None)])
def test_a_sign_is_that_of_a_column_where_nine_tenths_of_the_cells_have_it(every, form):
    cells = [f"{i * i}" if i % every == 0 else f"{i * i}%" for i in range(60)]
    if form is not None:
        assert column_of(cells).form == form
        return
    with pytest.raises(InputError, match="^x: expected numbers with one sign, .* 'c', got '1%'"):
        column_of(cells)


def test_two_days_are_dates_between_which_there_are_others():
    days = pandas.to_datetime(["2020-01-01", "2020-01-05"])
    schema = Schema.infer(pandas.DataFrame({"c": days.take(np.arange(60) % 2)}))
    assert schema.columns[0].kind == "date"
    new = pandas.DataFrame({"c": pandas.to_datetime(["2020-01-01", "2020-01-02", "2020-01-05"])})
    np.testing.assert_array_equal(np.diff(schema.encode(new)[0][:, 0]), [1, 3])


def test_a_level_with_blanks_behind_it_is_one_level_among_many_too():
    """If a category had it twice, no run could be opened again."""
    cells = [f"l{i}" for i in range(MOST_LEVELS + 20) for _ in range(3)] + ["l7", "l7 "] * 5
    found = column_of(cells)
    assert len(set(found.levels)) == found.width == MOST_LEVELS


def test_a_column_without_a_name_is_an_index_where_it_is_the_first_alone():
    frame = pandas.DataFrame({"v": np.arange(60) % 7, "Unnamed: 1": 7 * np.arange(60) ** 2})
    assert Schema.infer(frame).features == ["v", "Unnamed: 1"]
    assert list(Schema.infer(frame.iloc[:, ::-1]).dropped) == ["Unnamed: 1"]


def test_a_number_that_is_a_level_among_many_is_known_however_it_is_written():
    frame = pandas.DataFrame({"c": pandas.Categorical(np.arange(600) % 150), "w": np.arange(600) % 7})
    column = Schema.infer(frame).columns[0]
    assert column.rest
    assert len(set(column.places([5, 5.0, "5", "5.0", "05"]))) == 1
    assert column.places(["5.0", "5.5", "other"]) == [column.levels.index(5), -1, 99]


@pytest.mark.parametrize("cells", [[1 + 5j, 2 + 1j], [1.5, 2 + 1j]])
def test_complex_numbers_among_objects_are_no_real_ones(cells):
    complex_ones = pandas.Series(cells * 30, dtype=object)
    with pytest.raises(InputError, match="^x: expected real numbers in column 'a', got complex ones; give their parts"):
        Schema.infer(pandas.DataFrame({"a": complex_ones, "b": range(3, 63)}))
    schema = Schema.infer(pandas.DataFrame({"a": np.arange(60) / 7}))
    with pytest.raises(InputError, match=r"expected a number or an empty cell .* column 'a', got '\(.*j\)' at row"):
        schema.encode(pandas.DataFrame({"a": complex_ones}))


def test_an_ordered_category_of_one_level_is_constant():
    """pandas keeps the levels that no row has."""
    grades = pandas.Categorical(["low"] * 60, ["low", "high"], ordered=True)
    schema = Schema.infer(pandas.DataFrame({"grade": grades, "v": np.arange(60) % 7}))
    assert schema.dropped == {"grade": "its value is always 'low'"}


@pytest.mark.parametrize("name", ["ID", ""])
def test_fractions_name_no_rows_whatever_their_column_is_called(name):
    """An inner diameter, or a first column without a name; whole numbers would be names."""
    v = np.arange(60) ** 2 * 7
    for cells, left in ((v + 0.5, []), (v, [name])):
        assert list(Schema.infer(pandas.DataFrame({name: cells, "v": np.arange(60) % 7})).dropped) == left


def test_of_a_hundred_levels_none_is_joined_with_others():
    for number, rest in ((MOST_LEVELS, False), (MOST_LEVELS + 1, True)):
        found = column_of([f"l{i}" for i in range(number)] * 3)
        assert (found.width, found.rest) == (MOST_LEVELS, rest)


@pytest.mark.parametrize(("sizes", "left"), [(59, False), (61, True)])
def test_levels_are_left_out_as_unread_numbers_where_most_look_like_these(sizes, left):
    cells = [f"{i} mm" if i < sizes else f"type {i}" for i in range(120)] * 3
    schema = Schema.infer(pandas.DataFrame({"c": cells, "v": np.arange(360) % 7}))
    assert ("c" in schema.dropped) == left


@pytest.mark.parametrize("tick", [1, "yes", True])
def test_what_is_ticked_or_empty_is_left_out_with_a_word(tick):
    """As surveys export it: empty may mean no, or that nobody asked."""
    ticks = {f"tick {i}": pandas.Series([tick, None] * 30, dtype=object) for i in range(5)}
    schema = Schema.infer(pandas.DataFrame({**ticks, "all": 1, "v": np.arange(60) % 7}))
    assert set(schema.dropped) == {*ticks, "all"}
    (told,) = schema.unread
    assert "write 0: 'tick 0', 'tick 1', 'tick 2'; and 2 more such columns" in told
    assert "'all'" not in told
    filled = pandas.DataFrame(ticks).notna().astype(int)
    assert [column.kind for column in Schema.infer(filled).columns] == ["boolean"] * 5


def test_a_fraction_that_single_precision_takes_for_two_levels_is_neither():
    column = Column("c", "category", (0.1, 0.1 + 1e-12, 7))
    assert column.places([0.1, 0.1 + 1e-12, np.float32(0.1)]) == [0, 1, -1]
    assert Column("c", "category", (0.1, 0.2, 7)).places([np.float32(0.1)]) == [0]
