"""Text files that other programs wrote in a way of their own: read as a person reads them, or refused in words."""

import csv
from pathlib import Path

import numpy as np
import pandas
import pytest
from small_tables import written

from vade_tf.data import cutting, tables
from vade_tf.data.files import load_file
from vade_tf.errors import InputError


def names(tmp_path, text, **more):
    return load_file(written(tmp_path, text), **more).schema


def test_codes_are_read_alike_in_all_of_a_large_file(tmp_path):
    """By itself pandas reads about a thousand such lines together: 1 for the 01 above the first 2A."""
    head = ",".join(["code", *(f"x{i}" for i in range(600))])
    rows = "".join(f"{code}{',7' * 600}\n" for code in ["01", "02"] * 1000 + ["2A"] * 300)
    table = tables.read_text(Path(written(tmp_path, f"{head}\n{rows}")), [])[0]
    assert set(table["code"]) == {"01", "02", "2A"}


@pytest.mark.parametrize("index", ["", "sample"])
@pytest.mark.parametrize("hole", [False, True])
def test_wavelengths_beside_an_index_are_names(tmp_path, rng, index, hole):
    """As pandas writes a DataFrame whose columns are numbers; counts lie around them."""
    counts = pandas.DataFrame(rng.integers(200, 3000, (30, 40)), columns=np.arange(400, 420, 0.5))
    counts.index.name = index or None
    if hole:
        counts = counts.astype(object).mask(pandas.DataFrame(np.eye(30, 40, dtype=bool), columns=counts.columns), "")
    data = load_file(written(tmp_path, counts.to_csv()))
    assert data.x.shape == (30, 40)
    assert data.schema.features[:2] == ["400.0", "400.5"]


def test_rows_that_go_up_are_no_names(tmp_path, rng):
    rows = np.sort(rng.normal(size=(30, 12)), axis=1).round(3)
    text = "".join(f"r{i}," + ",".join(map(str, row)) + "\n" for i, row in enumerate(rows))
    assert len(load_file(written(tmp_path, text)).x) == 30


@pytest.mark.parametrize("blank", [" {}", "{} "])
def test_dates_with_blanks_around_them_are_dates(tmp_path, blank):
    days = pandas.date_range("2018-01-01", periods=60, freq="37h").strftime("%B %d, %Y")
    text = "day;n\n" + "".join(f'"{blank.format(day) if i % 7 == 3 else day}";{i % 9}\n' for i, day in enumerate(days))
    (column, _) = names(tmp_path, text).columns
    assert (column.kind, column.missing) == ("date", 0)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_form_of_svmlight_is_called_by_its_name(tmp_path, sparse):
    rows = [[f"{1 + i % 3}", f"1:{i}.5", f"2:{i * 7 % 5}.25", "3:1"] for i in range(40)]
    text = "".join(" ".join(row[: 1 + (i % 4 if sparse else 3)]) + "\n" for i, row in enumerate(rows))
    with pytest.raises(InputError, match="in the form of svmlight.*load_svmlight_file"):
        load_file(written(tmp_path, text, "batch.dat"))


@pytest.mark.parametrize("whole", [True, False])
def test_a_header_that_alone_ends_in_a_separator_has_an_empty_column(tmp_path, whole):
    rows = "".join(f"{i % 7},{i % 5}.5\n" for i in range(40))
    text = f"a,b,\n{rows}" + ("" if whole else "1\n")
    if whole:
        assert names(tmp_path, text).features == ["a", "b"]
    else:
        with pytest.raises(InputError, match="line 42 has 1 cells where the first has 3"):
            names(tmp_path, text)


def test_a_lone_quote_is_a_character_and_swallows_no_lines(tmp_path):
    said = ['"Hi there', "see you", 'he said "no"', "ok", 'so "what'] * 12
    text = "kind\tmessage\tlength\n" + "".join(f"{'ab'[i % 2]}\t{one}\t{i}\n" for i, one in enumerate(said))
    table = tables.read_text(Path(written(tmp_path, text, "x.tsv")), ["message"])[0]
    assert table["message"].tolist() == said
    assert table["length"].tolist() == list(range(60))


@pytest.mark.parametrize(("last", "name"), [(22, "t.csv"), (3019, "t.txt")])
@pytest.mark.parametrize("order", ["name,a,b", "a,b,name"])
def test_quotes_far_below_the_first_lines_swallow_no_rows(tmp_path, order, last, name):
    """As they do where they are among these; the line is counted as an editor does."""
    rows = [{"a": f"{i % 97}.5", "b": f"{i % 89}.25", "name": f"n{i}"} for i in range(25_000)]
    for place in (20_000, 20_000 + last):
        rows[place]["name"] = '"' + rows[place]["name"]
    text = "\n".join([order, *(",".join(row[name] for name in order.split(",")) for row in rows)]) + "\n"
    with pytest.raises(
        InputError, match=rf"^data: a quote in line 20002 of .*{name} takes {last:,} further .* cell; remove it$"
    ):
        load_file(written(tmp_path, text, name))


def test_long_texts_far_below_the_first_lines_stay_cells(tmp_path):
    """Letters of many lines, with commas in some of them; and quotes that end within a cell of one line."""
    letter = "Dear all,\n" + "this is so\n" * 400 + 'he said ""no"", too, \nand goodbye'
    names = [f'"{letter}"' if i % 100 == 99 else f'"n" {i}' if i > 20_000 else f"n{i}" for i in range(25_000)]
    text = "a,b,name\n" + "".join(f"{i % 97}.5,{i % 89}.25,{name}\n" for i, name in enumerate(names))
    table = tables.read_text(Path(written(tmp_path, text)), ["name"])[0]
    assert table["name"][::100].tolist() == [name.replace('"', "") for name in names[::100]]
    assert set(table["name"][99::100]) == {letter.replace('""', '"')}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_null_byte_far_below_the_first_lines_cuts_no_cell_off(tmp_path, name):
    rows = [f"{i % 97}.5,{i % 89}.25" for i in range(40_000)]
    assert len(load_file(written(tmp_path, "\n".join(["a,b", *rows]), name)).x) == 40_000
    rows[39_000] = "12\x0034,7.25"
    with pytest.raises(InputError, match="it holds null bytes, so it is no text in UTF-8"):
        load_file(written(tmp_path, "\n".join(["a,b", *rows]), name))


@pytest.mark.parametrize("last", [False, True])
def test_cells_of_several_lines_stay_such(tmp_path, last):
    """Also where each of their lines has as many separators as a row."""
    cells = [f'"one\n{i}, two"' for i in range(40)]
    rows = [f"{i},{cell}\n" if last else f"{cell},{i}\n" for i, cell in enumerate(cells)]
    text = ("b,a\n" if last else "a,b\n") + "".join(rows)
    table = tables.read_text(Path(written(tmp_path, text)), ["a"])[0]
    assert len(table) == 40
    assert table["a"][3] == "one\n3, two"


def test_whole_numbers_with_a_blank_before_the_comma_are_no_fractions(tmp_path):
    text = "".join(f"{i % 9} ,{100 + i} ,{70 + i % 5} ,{i % 3} \n" for i in range(40))
    data = load_file(written(tmp_path, text), likelihood="gaussian")
    assert data.schema.decode(data.x)["column_1"].tolist() == pytest.approx(list(range(100, 140)), abs=1e-3)


def test_numbers_of_which_some_have_a_sign_are_refused(tmp_path):
    text = "price,n\n" + "".join(f"{'0' if i % 3 else f'${i}.99'},{i % 7}\n" for i in range(90))
    with pytest.raises(
        InputError, match="numbers with one sign, in nine of ten cells, or without any in column 'price', got '\\$0.99'"
    ):
        names(tmp_path, text)


@pytest.mark.parametrize(
    "cell", ["{0}:{1:02}:00", "{0}{1:02} min", "€{0}.{1}M", "3{0}.1.{1:02}"], ids=["time", "runtime", "value", "date"]
)
def test_what_looks_like_numbers_is_no_category_of_arbitrary_ones(tmp_path, cell):
    cells = [cell.format(i % 24, 7 * i % 60) for i in range(240)] * 5
    found = names(tmp_path, "v,n\n" + "".join(f"{one},{i % 11}\n" for i, one in enumerate(cells)))
    assert "numbers or dates? write" in found.dropped["v"]


def test_codes_most_of_which_are_numbers_stay_levels(tmp_path):
    """Such as those of diagnoses: 250.83, V57, E909."""
    codes = [*(f"{250 + i}.8" for i in range(80)), *(f"V{i}" for i in range(40))] * 12
    found = names(tmp_path, "v,n\n" + "".join(f"{one},{i % 11}\n" for i, one in enumerate(codes)))
    assert found.columns[0].kind == "category"


def test_an_index_that_starts_again_is_an_index(tmp_path):
    """As after `pandas.concat`."""
    text = ",a\n" + "".join(f"{i % 20},{i * 7 % 30}\n" for i in range(60))
    found = names(tmp_path, text)
    assert "counts from 0 time and again" in next(iter(found.dropped.values()))
    text = ",a\n" + "".join(f"{int(i % 4 == 2)},{i * 7 % 30}\n" for i in range(60))  # rare flags
    assert names(tmp_path, text).columns[0].kind == "boolean"
    text = "n,a\n" + "".join(f"{i % 20},{i * 7 % 30}\n" for i in range(60))  # with a name it may be anything
    assert names(tmp_path, text).features == ["n", "a"]


@pytest.mark.parametrize("asked", ["load ", "load", "' load'"])
def test_a_column_is_found_without_the_blanks_around_its_name(tmp_path, asked):
    text = '"load ",b,c\n' + "".join(f"{i % 7},{i % 5},{i % 3}\n" for i in range(40))
    assert names(tmp_path, text, drop=asked.strip("'")).features == ["b", "c"]


@pytest.mark.parametrize("name", ["online retail.csv", "line 3.csv"])
def test_a_table_that_does_not_fit_in_memory_is_whole_whatever_it_is_called(tmp_path, monkeypatch, name):
    file = written(tmp_path, "a,b\n" + "1.5,2.5\n" * 1000, name)
    monkeypatch.setattr("vade_tf.machine.memory", lambda: 1000)
    with pytest.raises(InputError, match=f"^data: .*{name} does not fit in memory .*; save it as .npy or .parquet"):
        load_file(file)


def test_cells_are_counted_before_memory_is_taken(tmp_path, monkeypatch):
    file = Path(written(tmp_path, "a,b\n" + "0,1\n" * 50_000))
    spaced = Path(written(tmp_path, "a b\n" + "0      1\n" * 50_000, "spaced.txt"))
    monkeypatch.setattr(cutting, "CHUNK", 1000)
    for asked, separator in ((file, ","), (spaced, " ")):
        monkeypatch.setattr("vade_tf.machine.memory", lambda: 40 * 100_000 - 1)
        with pytest.raises(ValueError, match="needs"):
            cutting.check_cells(asked, separator)
        monkeypatch.setattr("vade_tf.machine.memory", lambda: 41 * 100_010 + 1_000_000)
        cutting.check_cells(asked, separator)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [("part-0.parquet", "pandas.read_parquet"), ("matrix.mtx.gz", "Cell Ranger's .h5"), ("notes.txt", "found none$")],
)
def test_a_folder_of_another_program_is_told_what_to_do(tmp_path, inside, expected):
    (tmp_path / inside).touch()
    with pytest.raises(InputError, match=expected):
        load_file(str(tmp_path))


def test_a_cell_may_be_longer_than_python_takes_unasked(tmp_path):
    csv.field_size_limit(131_072)  # as in a new process
    note = "x" * 200_000
    rows = "".join(f"{note if i == 3 else 'short'},{i % 7}\n" for i in range(20))
    table = tables.read_text(Path(written(tmp_path, f"note,n\n{rows}")), ["note"])[0]
    assert table["note"][3] == note


def test_a_column_alone_in_a_file_of_tabs_keeps_its_commas(tmp_path):
    """Its name says that tabs would be between cells."""
    said = [f"well, number {i}" if i % 4 else f"number {i}" for i in range(40)]
    text = "\n".join(["saying", *said]) + "\n"
    table = tables.read_text(Path(written(tmp_path, text, "t.tsv")), ["saying"])[0]
    assert table["saying"].tolist() == said


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("rows", [3, 40, 30_000])
def test_a_lone_quote_in_the_middle_breaks_no_file(tmp_path, separator, rows):
    said = ['"hello you', *["win now"] * (rows - 1)]
    text = separator.join(["label", "message", "length"]) + "\n"
    text += "".join(f"ham{separator}{one}{separator}{i}\n" for i, one in enumerate(said))
    table = tables.read_text(Path(written(tmp_path, text)), ["message"])[0]
    assert table["message"].tolist() == said


def test_a_number_and_a_time_are_no_form_of_svmlight(tmp_path):
    text = "".join(f"{20 + i % 7}.5\t{8 + i % 9:02}:{i % 60:02}\n" for i in range(60))
    assert load_file(written(tmp_path, text)).schema.features[0] == "column_0"


def test_svmlight_is_known_by_long_lines_too(tmp_path):
    line = " ".join(f"{j}:0.{j % 90 + 10}" for j in range(1, 3000))
    with pytest.raises(InputError, match="form of svmlight"):
        load_file(written(tmp_path, "".join(f"{i % 2} {line}\n" for i in range(20)), "x.dat"))


def test_prices_that_begin_with_plain_zeros_have_a_sign(tmp_path):
    prices = ["0"] * 12 + [f"${i}.49" for i in range(1, 300)]
    (column, _) = names(tmp_path, "price,n\n" + "".join(f"{p},{i % 7}\n" for i, p in enumerate(prices))).columns
    assert (column.kind, column.form[:1]) == ("number", "$")


def test_a_row_that_ends_in_a_separator_is_no_header_of_empty_columns(tmp_path):
    text = "5.1,3.5,\n" + "4.9,3.0,1.4\n" * 40 + "4.7,3.2\n"
    with pytest.raises(InputError, match="line 42 has 2 cells where the first has 3"):
        load_file(written(tmp_path, text))
