"""Whether the first line of a text file is a header: what looks like names, and what like the rows below."""

import string
import time
from pathlib import Path

import numpy as np
import pandas
import pytest
from small_tables import written

from vade_tf.data import tables
from vade_tf.data.files import load_file
from vade_tf.data.schema import named
from vade_tf.errors import InputError


def test_a_header_of_questions_is_one_also_above_long_answers(tmp_path):
    question, answer = "Please describe in your own words " * 4, "It was " + "very " * 30 + "good"
    lines_of = [f"{i},{20 + i % 7},{answer if i == 3 else 'fine'}" for i in range(12)]
    file = written(tmp_path, "\n".join([f"Stamp,Age,{question}", *lines_of]) + "\n", "survey.csv")
    assert load_file(file, drop="Stamp").schema.columns[0].name == "Age"
    assert len(load_file(file, drop="Stamp").x) == 12


@pytest.mark.parametrize("first", ["3,4", "0.5,1.5", "7,8"])
def test_numbers_that_go_up_by_one_are_a_row_where_they_do_not_begin_at_0_or_1(tmp_path, first):
    r = np.random.default_rng(0)
    rows = [first, *(f"{a:.1f},{b:.1f}" for a, b in 9 * r.random((30, 2)))]
    assert len(load_file(written(tmp_path, "\n".join(rows) + "\n", "x.csv")).x) == 31


@pytest.mark.parametrize("names", [("1", "2", "3"), ("2019", "2020", "2021")])
def test_a_header_of_numbers_is_known_by_its_names(tmp_path, rng, names):
    rows = rng.normal(size=(30, 3)).round(3)
    pandas.DataFrame(rows, columns=names).assign(kind="a b")[["kind", *names]].to_csv(tmp_path / "a.csv", index=False)
    schema = load_file(str(tmp_path / "a.csv"), drop="kind").schema
    pandas.DataFrame(rows, columns=names)[[*reversed(names)]].to_csv(tmp_path / "b.csv", index=False)
    found = load_file(str(tmp_path / "b.csv"), schema=schema, plain=True)
    np.testing.assert_allclose(found.x, rows, rtol=1e-6)


@pytest.mark.parametrize("argument", ["columns", "drop"])
def test_a_name_that_is_asked_for_is_that_of_one_column(tmp_path, argument):
    (tmp_path / "t.csv").write_text("age,age,b\n" + "".join(f"{i},{9 - i},{i % 3}\n" for i in range(9)))
    assert load_file(str(tmp_path / "t.csv")).x.shape == (9, 3)
    with pytest.raises(InputError, match="^data: expected one column 'age' in .*, got several; rename them"):
        load_file(str(tmp_path / "t.csv"), **{argument: "age"})
    assert load_file(str(tmp_path / "t.csv"), **{argument: "b"}).x.shape[0] == 9


ECOLI = [
    "AAT_ECOLI 0.49 0.29 0.48 0.50 0.56 0.24 0.35 cp",
    "ACEA_ECOLI 0.07 0.40 0.48 0.50 0.54 0.35 0.44 cp",
    "ACEK_ECOLI 0.56 0.40 0.48 0.50 0.49 0.37 0.46 im",
    "ACKA_ECOLI 0.59 0.49 0.48 0.50 0.52 0.45 0.36 cp",
    "ADI_ECOLI 0.23 0.32 0.48 0.50 0.55 0.25 0.35 im",
]


def test_fractions_over_numbers_are_no_names(tmp_path):
    """All differ in the first line of UCI's ecoli, beside a name that none below has."""
    rows, _, notice, _ = tables.read_text(Path(written(tmp_path, "\n".join(ECOLI) + "\n")), [])
    assert (rows.shape, rows.iloc[0, 1]) == ((5, 9), 0.49)
    assert "has no header" in notice


@pytest.mark.parametrize("line", ["compound,10,0.1,1", "region,0.5,0.05,0.95", "name,2.5,10,5"])
def test_fractions_beyond_what_is_below_them_may_be_names(tmp_path, line, rng):
    """Concentrations, quantiles, doses over what was measured with them."""
    below = "".join(
        f"{name},{','.join(map(str, row))}\n" for name, row in zip("abcdef", 50 + rng.random((6, 3)), strict=True)
    )
    assert list(tables.read_text(Path(written(tmp_path, f"{line}\n{below}")), [])[0]) == line.split(",")


def test_the_time_for_names_grows_with_their_number(tmp_path):
    """Also where the last two are called alike: not with its square, which takes half a minute."""
    names = [f"gene_{i:05d}" for i in range(40_000)]
    file = Path(written(tmp_path, ",".join(names) + "\n" + 2 * (",".join(["r", *names]) + "\n")))
    begun = time.process_time()
    tables.check_once(names, names, file)
    with pytest.raises(InputError, match="one column 'gene_39999' in"):
        tables.check_once(names, [*names, names[-1]], file)
    with pytest.raises(InputError, match="different names, got 'gene_39999' twice"):
        named(pandas.DataFrame(np.zeros((1, 40_001)), columns=[*names, names[-1]]), "x")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("first", ["AAT,0.49,0.29,cp", "AAT,0.29,0.49,cp"])
def test_two_fractions_are_a_row(tmp_path, first):
    rows = [first, "ACE,0.07,0.40,im", "ACF,0.56,0.20,cp", "ACK,0.59,0.59,om"]
    assert tables.read_text(Path(written(tmp_path, "\n".join(rows) + "\n")), [])[0].shape == (4, 4)


@pytest.mark.parametrize("step", [1, 0.5, -0.5])
def test_wavelengths_are_names(tmp_path, step, rng):
    names = [f"{600 + step * i}" for i in range(9)]
    text = ",".join(names) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rng.random((9, 9)).round(3))
    assert list(tables.read_text(Path(written(tmp_path, text)), [])[0]) == names
    rising = (
        "\n".join(",".join(f"{i + j * j / 4}" for j in range(9)) for i in range(9)) + "\n"
    )  # rows are in order, too
    assert tables.read_text(Path(written(tmp_path, rising)), [])[0].shape == (9, 9)


def below(row, n: int = 60) -> str:
    """Lines of n rows, that of each number as `row` makes it."""
    return "".join(",".join(map(str, row(i))) + "\n" for i in range(n))


ROWS = {
    "id": lambda i: (f"C{i:04d}", ("male", "female")[i % 2], ("married", "single")[i // 2 % 2], 77 - i, 6332 + 31 * i),
    "bridges": lambda i: (f"E{1 + i}", "MAO"[i % 3], 3 + i % 40, 1818 + i, ("WOOD", "RR")[i % 2], "?" if i < 9 else i),
    "audiology": lambda i: ("ft"[i % 2], ("mild", "normal")[i % 2], "ft"[i // 2 % 2], f"p{1 + i}"),
    "splice": lambda i: (("EI", "IE", "N")[i % 3], f"ATRINS-DONOR-{521 + 17 * i}", "CGAT"[i % 4] + "T" * i),
    "dates": lambda i: (f"2020-{1 + i // 28:02d}-{1 + i % 28:02d}", 51 + i, 32 + 2 * i),
    "a blank over fractions": lambda i: (5.1 + i / 10, "?" if i == 0 else 3.5 - i / 50, 1.4 + i % 3 / 9, i % 7 / 9),
    "a blank over whole numbers": lambda i: (63 + i, "NA" if i == 0 else 145 + 3 * i, 233 + 7 * i % 31),
    "nothing over nothing": lambda i: (["", "a"][i % 3 % 2], 63 + i, 145 + 3 * i, 233 + 7 * i % 31),
    "nothing over whole numbers": lambda i: (63 + i, "" if i == 0 else 145 + 3 * i, 233 + 7 * i % 31),
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS)
def test_a_first_row_is_kept_though_it_has_texts_that_no_other_has(tmp_path, rows):
    table, _, notice, _ = tables.read_text(Path(written(tmp_path, below(ROWS[rows]))), [])
    assert len(table) == 60
    assert "has no header" in notice


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Country,1990,1995", lambda i: (f"land {i}", 300 + i, 400 + 3 * i)),
        ("id,name,x1,x2", lambda i: (f"C{i:04d}", f"name {i}", i * i, i / 7)),
        ("id,2020-01-01,2020-01-08", lambda i: (f"C{i:04d}", i * i, i / 7)),
        ("id,2020-01-01,2020-01-08", lambda i: (f"C{i:04d}", ("there", "ill")[i % 2], "there")),
        ("q1,q2,q3", lambda i: ("yes", ("no", "yes")[i % 2], f"a{i}")),
        ("colour,size,NA", lambda i: (("red", "blue")[i % 2], ("small", "large")[i % 2], 9 - i)),
        (",0,1,2", lambda i: (i, i * i, i / 7, 9 - i)),
        (",,2019,2020", lambda i: ("a", i, i * i, 3 + i)),
    ],
)
def test_names_stay_names(tmp_path, header, row):
    table, _, notice, _ = tables.read_text(Path(written(tmp_path, f"{header}\n{below(row)}")), [])
    assert (len(table), notice) == (60, "")


def test_seven_numbers_in_order_may_be_a_row_by_chance(tmp_path):
    """Those below them are in none."""
    first = [0.25, 1, 2.25, 3.5, 4, 5.25, 6.5]
    rows = [first, *([(3 * j + i) % 7 + 0.5 for j in range(7)] for i in range(14))]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    table, _, notice, _ = tables.read_text(Path(written(tmp_path, text)), [])
    assert table.shape == (15, 7)
    assert table.iloc[0].tolist() == first
    assert "has no header" in notice


@pytest.mark.parametrize("named", [False, True])
def test_a_number_beside_addresses_is_one(tmp_path, named):
    """A file without a header keeps its first row, and one of R's the names of its rows."""
    rows = [f"10.{i % 3}.0.{i % 9},10.0.{i % 4}.0,192.168.178.{100 + i % 5},{37 * i}" for i in range(60)]
    text = "\n".join(["a,b,c,d", *(f'"{i + 101}",{row}' for i, row in enumerate(rows))] if named else rows) + "\n"
    table = tables.read_text(Path(written(tmp_path, text)), []).table
    assert list(table.columns[-4:]) == (list("abcd") if named else [f"column_{i}" for i in range(4)])
    assert [",".join(map(str, row)) for row in table.iloc[:, -4:].to_numpy()] == rows


def test_a_number_that_stands_twice_in_the_first_line_is_no_name(tmp_path):
    """Beside the name of a row, which comes once in all."""
    rows = [f"person {letter},{3 + i % 4},{3 + i % 3}" for i, letter in enumerate(string.ascii_lowercase)]
    for first, number in (("person of no letter,3,3", 27), ("name,3,4", 26)):
        table = tables.read_text(Path(written(tmp_path, "\n".join([first, *rows]) + "\n")), []).table
        assert len(table) == number


def test_a_name_that_two_columns_have_but_for_blanks_is_that_of_neither(tmp_path):
    file = written(tmp_path, "age ,age  ,b\n" + "".join(f"{i % 4},{9 - i},{i % 3}\n" for i in range(9)))
    with pytest.raises(InputError, match="^columns: expected one of the columns .*, got 'age'"):
        load_file(file, columns="age")
    assert load_file(file, columns="b ").schema.features == ["b"]
