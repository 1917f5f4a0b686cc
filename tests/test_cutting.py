"""How text files are cut: damaged lines, what other programs write around a table, tables of white space."""

import io
from pathlib import Path

import numpy as np
import pandas
import pytest
from small_tables import written

from vade_tf.data import cutting, tables
from vade_tf.data.files import load_file
from vade_tf.data.texts import lines_of
from vade_tf.errors import InputError


def text_of(separator: str, rows: int = 40) -> str:
    lines = ["age size colour", *(f"{20 + i} {i / 7:.3f} {('red', 'blue', 'green')[i % 3]}" for i in range(rows))]
    return "\n".join(lines).replace(" ", separator) + "\n"


def read(tmp_path, text: str, name: str = "t.csv") -> pandas.DataFrame:
    return tables.read_text(Path(written(tmp_path, text, name)), [])[0]


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_one_ragged_line_is_named_whatever_the_separator(tmp_path, separator):
    text = text_of(separator)
    short = text.replace(f"{separator}red", "", 1)
    with pytest.raises(InputError, match="line 2 has 2 cells where the first has 3"):
        load_file(written(tmp_path, short))
    long = text.replace("red", f"red{separator}more", 1)
    with pytest.raises(InputError, match="line 2 has 4 cells where the first has 3"):
        load_file(written(tmp_path, long))
    if separator != " ":
        with pytest.raises(InputError, match="line 2 has 2 cells where the first has 3"):
            load_file(written(tmp_path, "\n".join(short.splitlines()[:2]) + "\n"))


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_a_separator_that_ends_each_row_makes_no_column(tmp_path, separator):
    head, *rows = text_of(separator).splitlines()
    table = read(tmp_path, "\n".join([head, *(row + separator for row in rows)]) + "\n")
    assert (list(table), table.shape) == (["age", "size", "colour"], (40, 3))
    assert table.iloc[3].tolist() == [23, 0.429, "red"]


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("first", ["sep={}", '"sep={}"', "sep={};;;"])
def test_the_line_of_excel_that_names_the_separator_is_no_header(tmp_path, separator, first):
    line = first.format(separator).replace(";;;", 2 * separator)
    table = read(tmp_path, f"{line}\r\n" + text_of(separator).replace("\n", "\r\n"))
    assert (list(table), table.shape) == (["age", "size", "colour"], (40, 3))
    with pytest.raises(InputError, match="line 3 has 2 cells where the first has 3"):
        load_file(written(tmp_path, f"{line}\n" + text_of(separator).replace(f"{separator}red", "", 1)))
    assert tables.header(Path(written(tmp_path, f"{line}\nsize\n1.5\n2.5\n")), []) == ["size"]
    assert read(tmp_path, f"{line}\n\nsize\n1.5\n\n2.5\n\n").iloc[:, 0].fillna(0).tolist() == [1.5, 0, 2.5]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";"])
@pytest.mark.parametrize("name", [lambda i: f'"Mazda RX{i}"', lambda i: f'"{1 + i}"'])
def test_names_of_rows_that_the_header_leaves_out_are_an_index(tmp_path, separator, name):
    """As R's write.table writes them."""
    rows = [separator.join([name(i), f"{15 + i % 9 / 3:.2f}", f"{4 + i % 5}", '"auto"']) for i in range(30)]
    file = written(tmp_path, "\n".join([separator.join(('"mpg"', '"cyl"', '"kind"')), *rows]) + "\n", "t.txt")
    data = load_file(file, "kind")
    assert data.schema.features == ["mpg", "cyl"]
    assert data.x.shape == (30, 2)
    assert list(data.schema.dropped) == ["Unnamed: 0", "kind"]
    assert tables.header(Path(file), []) == ["Unnamed: 0", "mpg", "cyl", "kind"]
    whole = tables.read_text(Path(file), None)[0]
    assert whole.iloc[4].tolist() == [name(4).strip('"'), "16.33", "8", "auto"]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";"])
def test_named_rows_may_end_in_a_missing_cell(tmp_path, separator):
    rows = [separator.join([f'"Mazda {i}"', f"{15 + i / 3:.2f}", "NA" if i == 9 else str(i % 5)]) for i in range(30)]
    data = load_file(written(tmp_path, "\n".join([separator.join(('"mpg"', '"cyl"')), *rows]) + "\n", "t.txt"))
    assert (data.schema.features, int(np.isnan(data.x).sum())) == (["mpg", "cyl"], 1)


@pytest.mark.parametrize("row", ["{},{},{}", "item{},3,{}{}", 'Jan {}, 2020,"{}.{}"'])
def test_commas_within_numbers_make_no_names_of_rows(tmp_path, row):
    """Numbers of thousands, decimal commas and dates, without the quotes that R puts around names."""
    rows = [row.format(1950 + i, 3 + i % 7, 100 + i) for i in range(30)]
    with pytest.raises(InputError, match="expected 3 cells in the first line"):
        load_file(written(tmp_path, "\n".join(["year,price", *rows]) + "\n"))


def test_decimal_commas_between_spaces(tmp_path):
    rows = [f"{i % 9},942 {i % 7},6{i:02d} -{6 + i % 5},32" for i in range(40)]
    table = read(tmp_path, "\n".join(rows) + "\n", "t.dat")
    assert (table.shape, table.iloc[3].tolist()) == ((40, 3), ["3,942", "3,603", "-9,32"])


def test_an_empty_text_may_end_a_row_between_spaces(tmp_path):
    rows = [f'{i / 4} {20 + i} "{"E46" if i % 3 else ""}"' for i in range(30)]
    table = read(tmp_path, "\n".join(['"fare" "age" "cabin"', *rows]) + "\n", "t.txt")
    assert (table.shape, int(table["cabin"].isna().sum())) == ((30, 3), 10)


@pytest.mark.parametrize("mark", ["-nan", "#NA", "1.#QNAN", "-1.#IND"])
def test_a_first_row_with_what_is_no_number_in_c_is_a_row(tmp_path, mark):
    rows = [f"{i * 0.25} {mark if i == 0 else i * 0.5} {i * 1.5}" for i in range(30)]
    data = load_file(written(tmp_path, "\n".join(rows) + "\n", "t.txt"))
    assert (data.x.shape, int(np.isnan(data.x).sum())) == ((30, 3), 1)


def test_texts_of_two_words_are_one_column(tmp_path):
    names = [f"{first} {last}" for first in ("Ann", "Bob", "Cid") for last in ("Lee", "Ray", "Mann", "Ost")]
    assert read(tmp_path, "\n".join(["name", *names]) + "\n").shape == (12, 1)
    assert read(tmp_path, "\n".join(["full name", *names, "Ann Marie Lee"]) + "\n", "t.txt").shape == (13, 1)
    assert read(tmp_path, "\n".join(["full name", *(f"{i}th {name}" for i, name in enumerate(names))])).shape == (12, 1)


@pytest.mark.parametrize("header", ["", "mpg cyl disp hp weight acc year origin\tname\n"])
def test_a_tab_before_the_last_of_padded_columns_is_white_space(tmp_path, header):
    """As in UCI's auto-mpg.data."""
    rows = [
        f"{18 + i % 9}.0   8   {307 + i}.0      {'?' if i % 8 == 3 else f'{130 + i}.0'}      {3504 - i}.      "
        f'12.{i % 7}   70  {1 + i % 3}\t"chevrolet chevelle {i}"\n'
        for i in range(20)
    ]
    table = read(tmp_path, header + "".join(rows))
    assert table.shape == (20, 9)
    assert table.iloc[1].tolist() == [19, 8, 308, 131, 3503, 12.1, 70, 2, "chevrolet chevelle 1"]
    assert table.iloc[:, 3].isna().sum() == 3


@pytest.mark.parametrize("start", ["", "  ", "\t"])
def test_several_tabs_are_white_space_where_not_all_lines_have_them(tmp_path, start):
    """As in UCI's seeds_dataset.txt."""
    gaps = ["\t", "\t\t", " \t "]
    rows = [f"{start}{i / 7:.2f}{gaps[i % 3]}{14 + i / 9:.2f}\t0.871{gaps[i // 3 % 3]}{1 + i % 3}\n" for i in range(30)]
    table = read(tmp_path, "".join(rows), "seeds_dataset.txt")
    assert table.shape == (30, 4)
    assert table.iloc[4].tolist() == [0.57, 14.44, 0.871, 2]
    with pytest.raises(InputError, match="line 6 has 3 cells where the first has 4"):
        load_file(written(tmp_path, "".join([*rows[:5], "1.5 14.2\t\t3\n", *rows[5:]])))


def test_cells_of_a_table_with_tabs_may_have_spaces(tmp_path):
    rows = [f"12 {345 + i}\tAnn Lee {i}\t2020-01-02 10:{10 + i}\t{i * i}\n" for i in range(20)]
    assert read(tmp_path, "count\tfull name\ttime\tn\n" + "".join(rows)).shape == (20, 4)
    empty = [f"{i}\t\t{i / 7:.2f}\n" for i in range(20)]
    assert read(tmp_path, "a\tb\tc\n" + "".join(empty)).shape == (20, 3)


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_rows_of_separators_at_the_end_are_left_out(tmp_path, separator, header):
    """As Excel leaves them; one in between is a row, and so is one that says that it has no value."""
    lines = text_of(separator).splitlines()[not header :]
    lines[9:9] = [2 * separator]
    lines.append(separator.join(["NA", "NA", "NA"]))
    empty = [2 * separator, f" {separator}{separator} ", f'""{separator}{separator}']
    file = written(tmp_path, "\n".join([*lines, *empty, "", ""]))
    column = "colour" if header else "column_2"
    for texts in ([], [column], None):
        table, _, notice, _ = tables.read_text(Path(file), texts)
        assert len(table) == 42
        assert notice.endswith("empty rows at the end of t.csv are left out: 3")
    assert load_file(file).x.shape == (42, 5)
    lines[9] = lines[-1] = f"{separator}{separator}red"
    assert load_file(written(tmp_path, "\n".join([*lines, *empty])), column).x.shape == (42, 2)
    assert (
        tables.read_text(Path(written(tmp_path, "\n".join([*lines, ""]))), [])[2]
        == notice.rpartition("empty")[0].strip()
    )


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("above", [["# made in 2020"], ["Survey of the year", "made by hand"], ["# by; hand,\t 2020"]])
def test_lines_above_the_header_are_to_be_removed(tmp_path, separator, above):
    text = "\n".join([*above, text_of(separator)])
    with pytest.raises(
        InputError,
        match="data: expected 3 cells in the first line of .*t.csv, as in most others, got [12]; remove what stands",
    ):
        load_file(written(tmp_path, text))


def test_the_line_of_a_short_row_is_counted_as_an_editor_does(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('a,b\n\n1,"2\n3"\n\n3\n')
    with pytest.raises(InputError, match="line 6 has 1 cells where the first has 2"):
        load_file(str(file))


def test_first_lines_without_an_end_are_not_read_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "LOOKED_AT", 64)
    monkeypatch.setattr(cutting, "LONGEST_LINES", 5000)
    long = "1," * 450 + "1\n"
    rows = "".join(long.replace("1", digit) for digit in "123")
    assert load_file(written(tmp_path, rows)).x.shape == (3, 451)
    for text, words in (("1" * 9000, "its first lines are longer than 5,000 characters"), ("\0" * 9000, "null bytes")):
        for name in ("t.csv", "t.csv.gz"):
            with pytest.raises(InputError, match=words):
                load_file(written(tmp_path, text, name))


@pytest.mark.parametrize(
    ("line", "words"), [("a" * 51, "line 2 is longer than 50 characters"), ("a\0b", "line 2 holds null bytes")]
)
def test_lines_that_are_no_texts_are_refused(tmp_path, monkeypatch, line, words):
    monkeypatch.setattr("vade_tf.data.texts.LONGEST", 50)
    with pytest.raises(InputError, match=words):
        load_file(written(tmp_path, f"one text\n{line}\nanother text\n", "t.txt"), text="lines")
    assert lines_of(io.StringIO("a" * 50 + "\r\n\nb\n\n")) == ["a" * 50, "", "b"]


@pytest.mark.parametrize("name", ["T.TSV", "t.tsv.gz"])
def test_a_column_alone_keeps_its_commas_however_the_ending_is_written(tmp_path, name):
    cells = [f"well, {i}" if i % 3 else f"well, {i}, and so on" for i in range(30)]
    assert read(tmp_path, "\n".join(["saying", *cells]) + "\n", name).iloc[:, 0].tolist() == cells


@pytest.mark.parametrize("above", ["", "sep=,\n"])
def test_the_line_of_a_lone_quote_is_counted_as_an_editor_does(tmp_path, monkeypatch, above):
    monkeypatch.setattr(cutting, "LOOKED_AT", 64)
    names = [f'"n{i}' if i in (40, 45) else f"n{i}" for i in range(60)]
    rows = [f"{i}.5,{name},{i % 7}" for i, name in enumerate(names)]
    line = 42 + above.count("\n")
    with pytest.raises(InputError, match=f"a quote in line {line} of .* takes 5 further rows into its cell"):
        load_file(written(tmp_path, above + "\n".join(["a,name,b", *rows]) + "\n"))


def test_names_of_rows_that_come_twice_are_none(tmp_path):
    """Then the header lacks a name, which is said."""
    rows = [f"{name};{i};{i / 7:.3f}" for i, name in enumerate("abcdefgh")]
    table = read(tmp_path, "\n".join(["age;size", *rows]) + "\n")
    assert (len(table), {"age", "size"} <= set(table)) == (8, True)
    with pytest.raises(InputError, match="expected 3 cells in the first line of .*, as in most others, got 2"):
        read(tmp_path, "\n".join(["age;size", *rows, "a;9;1.5"]) + "\n")


def test_a_first_line_is_short_where_three_of_five_lines_are_longer(tmp_path):
    with pytest.raises(InputError, match="expected 3 cells in the first line of .*, as in most others, got 2"):
        read(tmp_path, "age;size\n1;2;3\n4;5;6\n7;8;9\n7;8\n")


@pytest.mark.parametrize("separator", [";", "|"])
def test_texts_of_which_half_have_one_character_are_a_column(tmp_path, separator):
    texts = ["hello", f"good{separator} day", f"so{separator} long"]
    table = read(tmp_path, "\n".join(["said", *texts]) + "\n")
    assert (list(table), table["said"].tolist()) == (["said"], texts)


def test_a_quote_that_opens_no_cell_swallows_no_rows_of_a_long_file(tmp_path, monkeypatch):
    """Where what is looked at ends within a cell, the cell may be one of several lines, but not of a hundred."""
    monkeypatch.setattr(cutting, "LOOKED_AT", 2000)
    rows = [('"' if i == 9 else "") + f"name {i};{i / 7:.3f}" for i in range(400)]
    table = read(tmp_path, "\n".join(["name;size", *rows]) + "\n")
    assert (table.shape, table["name"][9], table["name"][399]) == ((400, 2), '"name 9', "name 399")


@pytest.mark.parametrize("memory", [1_000, 80_000])
def test_a_packed_table_whose_cells_need_more_than_the_memory_is_refused(tmp_path, monkeypatch, memory):
    monkeypatch.setattr("vade_tf.machine.memory", lambda: memory)
    with pytest.raises(
        InputError,
        match=r"^data: .*t.csv.gz does not fit in memory \(.* this machine has .*; save it as",
    ):
        load_file(written(tmp_path, "a,b\n" + "1.5,2.5\n" * 1000, "t.csv.gz"))  # 8,004 bytes


@pytest.mark.parametrize(("name", "takes"), [("a", 2), ("ä", 2), ("ā", 3), ("日", 3), ("\U0001f600", 5)])
def test_a_packed_table_that_fits_is_read(tmp_path, monkeypatch, name, takes):
    """Python holds a text in one, two or four bytes a character, by the largest, and it stands there twice."""
    file = written(tmp_path, f"{name},b\n" + "1.5,2.5\n2,7\n" * 500, "t.csv.gz")
    needed = takes * (6003 + len(name.encode())) + 40 * 2002
    monkeypatch.setattr("vade_tf.machine.memory", lambda: needed)
    assert len(load_file(file).x) == 1000
    monkeypatch.setattr("vade_tf.machine.memory", lambda: needed - 1)
    with pytest.raises(InputError, match="does not fit in memory"):
        load_file(file)


@pytest.mark.parametrize(
    ("pieces", "held"),
    [
        ([b"ab\n" * 9, "\U0001f600\n".encode(), b"ab\n" * 9], 54 + 25 + 54),
        (
            [b"ab\nxxx", b"yyy", "\U0001f600".encode(), b"zz\nab\n"],
            2 * 3 + 5 * (3 + 3 + 4 + 6),
        ),  # one line, but its end
        ([b"xx", b"y\n", "\u0101\n".encode(), b"z"], 2 * 4 + 3 * 3 + 2),
    ],
)
def test_a_wide_character_counts_in_its_own_line(pieces, held):
    """The pieces are as a file is read; where a line ends in one, what follows it there counts as the piece does."""
    found = cutting._Held()
    for piece in pieces:
        found.add(piece)
    assert found.bytes == held
