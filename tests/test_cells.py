"""Cells that are easily taken for something else: NaN that is a value to pandas, addresses, bounds, rows of no cell."""

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many, written

from vade_tf import VaDEClusterer
from vade_tf.data.cells import read_numbers
from vade_tf.data.files import load_file
from vade_tf.data.filling import Written, filled
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, UnitsWarning

W = np.arange(60) % 7


def table(cells) -> pandas.DataFrame:
    return pandas.DataFrame({"v": cells, "w": np.arange(len(cells)) % 7})


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "double[pyarrow]", "float[pyarrow]"])
def test_nan_of_a_type_that_has_missing_cells_is_one(dtype):
    """0 / 0 is NaN to IEEE 754, and no missing cell to pandas 2."""
    one = pandas.Series(np.arange(60) % 4, dtype=dtype)
    assert Schema.infer(table(one / one)).dropped["v"].startswith("its only value is 1.0")
    frame = table(one * one / one)
    schema = Schema.infer(frame)
    assert (schema.columns[0].kind, schema.columns[0].missing) == ("number", 15)
    whole = filled(frame, schema, np.full((60, 2), 7.0))["v"]
    assert whole.dtype == dtype
    assert whole.astype("f8").tolist() == [i % 4 or 7.0 for i in range(60)]


@pytest.mark.parametrize("column", ["192.168.178.{}", "10.{0}.200.{0}"])
@pytest.mark.parametrize("extra", [None, "localhost"])
def test_addresses_are_no_numbers_and_say_nothing_of_those_of_other_columns(column, extra):
    frame = pandas.DataFrame(
        {"ip": [column.format(100 + i % 20) for i in range(60)], "v": [f"1,{i}" for i in range(301, 361)]}
    )
    frame.loc[frame.index[:3] if extra else [], "ip"] = extra
    schema = Schema.infer(frame)
    assert [column.kind for column in schema.columns] == ["category", "number"]
    np.testing.assert_array_equal(schema.encode(frame)[0][:, -1], np.arange(1301, 1361))


def test_an_amount_that_looks_like_an_address_is_one_among_others():
    amounts = [1_002_003_004, *range(987_654_321, 999_000_000, 200_000)]
    frame = table([f"{v:,}".replace(",", ".") for v in amounts])
    np.testing.assert_allclose(
        Schema.infer(frame).decode(Schema.infer(frame).encode(frame)[0])["v"], amounts, rtol=1e-4
    )


def test_marks_between_thousands_beside_whole_numbers_are_no_decimal_commas():
    """Answers such as "1,2", which look like decimal commas, stand in another column."""
    spent = [7 * i**2 + 200 for i in range(60)]
    answers = [["1", "2", "1,2", "2,3", "1,4"][i % 5] for i in range(60)]
    frame = pandas.DataFrame(
        {"answers": answers, "spent": [f"{v:,}" for v in spent], "weight": many(["8,090", "7,255", "6,125"])}
    )
    back = Schema.infer(frame)
    found = back.decode(back.encode(frame)[0])
    np.testing.assert_allclose(found["spent"], spent, rtol=1e-5)
    np.testing.assert_allclose(
        found["weight"], many([8.09, 7.255, 6.125]), rtol=1e-6
    )  # nothing says that these are thousands


BOUNDS = {"<0.5": 6, "< 0,5": 2, ">=100": 30, "≤3": 6}


@pytest.mark.parametrize("bound", BOUNDS)
def test_bounds_beside_many_numbers_are_told_however_often_they_come(bound):
    """Readings below what can be detected; a category would be made of every number there is."""
    every, mark = BOUNDS[bound], "," if "," in bound else "."
    cells = [bound if i % every == 0 else f"{i / 10}".replace(".", mark) for i in range(300)]
    for words in ([], ["n.d."] * 10):
        with pytest.raises(
            InputError,
            match=rf"^x: expected a number in every row of column 'v'.* got '{bound}' at row 0 .* or "
            f"leave the column out; give a bound such as '{bound}' a value$",
        ):
            Schema.infer(table(cells + words))
    few = [bound if i % 3 == 0 else str(i % 20) for i in range(300)]
    coded = [f"V{i % 57}" if i % 6 == 0 else str(100 + i % 97) for i in range(300)]
    assert [Schema.infer(table(each)).columns[0].kind for each in (few, coded)] == ["category", "category"]


def test_a_few_codes_with_a_letter_beside_others_that_are_numbers_are_told_what_makes_them_codes():
    """Diagnoses of ICD-9: 250.01 beside V45.8. As numbers the first would be ordered, and near to one another."""
    cells = [f"V4{i % 7}.8" if i % 30 == 0 else f"{250 + i % 40}.{i % 3}" for i in range(300)]
    with pytest.raises(
        InputError, match=r"'V40\.8' at row 0 .* column out; if all are codes, write a letter before the"
    ):
        Schema.infer(table(cells))
    lettered = [cell if cell.startswith("V") else f"D{cell}" for cell in cells]
    assert Schema.infer(table(lettered)).columns[0].kind == "category"
    with pytest.raises(InputError, match="or leave the column out$"):
        Schema.infer(table(["broken" if i % 30 == 0 else str(i) for i in range(300)]))


def test_rows_of_no_known_cell_are_told_when_they_are_fitted_and_when_they_are_new(tmp_path):
    frame = pandas.DataFrame({"a": NUMBERS, "colour": many(["red", "green", None]), "w": W})
    frame.loc[[2, 5, 7], ["a", "w"]] = None  # row 7 is green
    note = "rows without one known cell: 2; their cluster and density say nothing"
    schema = Schema.infer(frame)
    assert schema.encode(frame)[1] == [note]
    assert schema.encode(frame.drop([2, 5]))[1] == []
    with pytest.warns(UnitsWarning, match=f"^{note}$") as told, pytest.raises(InputError, match="^hints: "):
        VaDEClusterer(2, hints=[9]).fit(frame)
    assert [each.filename for each in told] == [__file__]
    assert load_file(written(tmp_path, frame.to_csv(index=False))).notice.splitlines()[-1] == note


@pytest.mark.parametrize("step", [4397, 4397.25, 86400, -7200])
def test_spans_of_time_as_pandas_writes_them_are_days(step):
    spans = pandas.Series(pandas.to_timedelta(step * (np.arange(60) ** 2 % 61), unit="s"))
    frames = [table(spans), table(spans.astype(str)), table(spans.where(W > 0).astype(str))]
    schema = Schema.infer(frames[0])
    assert [Schema.infer(frame).columns[0].kind for frame in frames] == ["number"] * 3
    x = schema.encode(frames[0])[0]
    np.testing.assert_array_equal(schema.encode(frames[1])[0], x)
    whole = Written(frames[2].replace("NaT", ""), frames[2], schema).filled(0, x.astype("f8"))["v"]
    assert (pandas.to_timedelta(whole) - spans).abs().max() < pandas.Timedelta("1s")
    assert whole[W > 0].tolist() == frames[1]["v"][W > 0].tolist()
    with pytest.raises(InputError, match="expected a number .* got 'soon' at row 1"):
        schema.encode(table(["0 days 00:00:01", "soon"]))


def test_a_column_of_texts_beside_counts_is_to_be_left_out(rng):
    """Emptied, it would be a column of missing counts."""
    frame = pandas.DataFrame(rng.poisson(0.4, (60, 25))).add_prefix("g").assign(kind=many(["B", "T", "NK"]))
    with pytest.raises(InputError, match=r"of column 'kind', got 'B' at row 0; .*, or give x.drop\(columns=...\)$"):
        observe(frame, "counts")
    assert observe(frame.drop(columns="kind"), "counts").x.shape == (60, 25)


def test_truth_values_are_numbers_where_training_had_numbers():
    schema = Schema.infer(table([i % 4 for i in range(60)]))
    assert schema.encode(table([True, False]))[0][:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_of_rows_at_even_distances_a_cell_is_named_by_its_row_in_the_file(step):
    frame = table([*map(str, range(200, 259)), "V45"]).set_axis(pandas.RangeIndex(0, 60 * step, step))
    with pytest.raises(InputError, match=rf"got 'V45' at row {59 * step} "):
        Schema.infer(frame)


def test_spans_that_come_as_days_are_filled_as_days():
    schema = Schema.infer(table(pandas.to_timedelta(range(60), unit="h").astype(str)))
    texts, read = table(["0.25", "2.5", ""]), table([0.25, 2.5, None])
    x = schema.encode(table([0.25, 2.5, 1.5]))[0]
    assert Written(texts, read, schema).filled(0, x)["v"].tolist() == ["0.25", "2.5", "1.5"]


@pytest.mark.parametrize("form", ["{:,}", "{}%"])
def test_a_small_number_that_is_filled_in_is_read_again(form):
    """Python writes it as 2e-05, which is no number with commas between thousands."""
    cells = [form.format(i**3 / 2) for i in range(60)]
    schema = Schema.infer(table(cells))
    texts, read = table([cells[30], ""]), table([cells[30], None])
    x = schema.encode(table([cells[30], form.format(0.5)]))[0].astype("f8")
    x[1, 0] *= 2e-5 / 0.5
    found = Written(texts, read, schema).filled(0, x)["v"].tolist()
    assert found[0] == cells[30]
    np.testing.assert_allclose(schema.encode(table(found))[0][1, 0], x[1, 0], rtol=1e-5)


def test_a_number_with_an_exponent_has_no_marks_between_thousands():
    """3.185e-01 is 0.3185 whatever stands beside it, and never 318.5."""
    assert read_numbers(pandas.Series(["3.185e-01", "50,3"])) is None
    for cells, values in ((["3e-01", "50,3"], [0.3, 50.3]), (["1.234,5e3", "1.234"], [1234500, 1234])):
        np.testing.assert_allclose(read_numbers(pandas.Series(cells))[0], values)
    with pytest.raises(InputError, match=r"expected a number in every row of column 'v', .* got '3.185e-01' at row 2"):
        Schema.infer(table(["1,3", "2,3", "3.185e-01", *(f"{i},5" for i in range(60))]))


def test_a_span_that_is_written_otherwise_is_named():
    cells = [f"{i % 45} days" for i in range(100)]
    assert Schema.infer(table(cells)).columns[0].kind == "number"
    with pytest.raises(InputError, match=r"expected a span of time \(as 0 days .* got '2 weeks' at row 100 "):
        Schema.infer(table([*cells, "2 weeks"]))


@pytest.mark.parametrize("cell", ["2.{}.1.{}", "00:1{}:44:11:30:{:02}"])
def test_nobody_is_told_to_write_versions_and_addresses_as_numbers(cell):
    left = Schema.infer(table([cell.format(i % 10, i) for i in range(90)])).dropped["v"]
    assert left == "90 different texts in 90 rows"
