"""Files of every kind into rows: tables as people write them, arrays, HDF5, images, texts; new rows are coded alike."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from small_tables import written

from vade_tf import machine
from vade_tf.data import cutting, stream, tables
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.errors import InputError

AGES = [round(18 + 1.7 * i, 1) for i in range(40)]
COLOURS = [("red", "green", "blue")[i % 3] for i in range(40)]
GROUPS = ["ab"[i % 2] for i in range(40)]


def lines(separator=",", header=("age", "colour", "group"), cells=None, ending="\n") -> str:
    """The usual table: 40 rows of an age, a colour and a group."""
    rows = cells or [[str(age), colour, group] for age, colour, group in zip(AGES, COLOURS, GROUPS, strict=True)]
    return ending.join(separator.join(row) for row in [header, *rows] if row) + ending


def usual(data, missing=()) -> None:
    """Raises AssertionError unless the data set is the usual table."""
    assert data.schema.features == ["age", "colour=blue", "colour=green", "colour=red"]
    np.testing.assert_allclose(data.x[:, 0], [np.nan if i in missing else age for i, age in enumerate(AGES)], rtol=1e-6)
    assert [data.schema.features[1 + i].split("=")[1] for i in data.x[:, 1:].argmax(axis=1)] == COLOURS
    np.testing.assert_array_equal(data.y, [i % 2 for i in range(40)])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.data", "t.dat", "t.csv.gz", "t.txt.gz", "t.data.gz"])
def test_any_separator_under_any_name(tmp_path, separator, name):
    data = load_file(written(tmp_path, lines(separator), name), "group")
    usual(data)
    assert (data.name, data.ids) == ("t", None)
    assert "left out, labels for scoring: 'group'" in data.notice


@pytest.mark.parametrize("more", range(0, 30, 3))
def test_a_separator_is_seen_where_the_sample_ends_within_a_cell(tmp_path, monkeypatch, more):
    monkeypatch.setattr(cutting, "LOOKED_AT", 150 + more)
    text = "a;b;c\n" + "".join(f'{i};"x,\ny\n{i}";{i * i}\n' for i in range(40))
    assert list(tables.read_text(Path(written(tmp_path, text, "t.csv")), [])[0]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + lines(),
        lines(ending="\r\n"),
        lines(", "),
        lines().replace("red", '"red"').replace("age", '"age"'),
        lines(cells=[[f'"{a}"', f'"{c}"', f'"{g}"'] for a, c, g in zip(AGES, COLOURS, GROUPS, strict=True)]),
        lines(";").replace(".", ","),
        lines("\t").replace(".", ","),
        lines().replace("\n", "\n\n"),
    ],
)
def test_a_table_as_people_write_it(tmp_path, text):
    usual(load_file(written(tmp_path, text), "group"))


@pytest.mark.parametrize("cell", ["", " ", "NA", "N/A", "?", "-", "null", "nan", "NaN", '"NA"', '""'])
def test_cells_without_a_value(tmp_path, cell):
    text = lines().replace(f"\n{AGES[3]},", f"\n{cell},").replace(f"\n{AGES[20]},", f"\n{cell},")
    data = load_file(written(tmp_path, text), "group")
    usual(data, missing=(3, 20))
    assert "2 empty cells are taken as missing, in 'age'" in data.notice


def test_a_minus_beside_a_plus_is_a_level(tmp_path):
    cells = [[str(age), "+-"[i % 2], "0-+"[i % 3]] for i, age in enumerate(AGES)]
    data = load_file(written(tmp_path, lines(header=("age", "sign", "more"), cells=cells)))
    assert data.schema.features == ["age", "sign", "more=+", "more=-", "more=0"]
    assert not np.isnan(data.x).any()


@pytest.mark.parametrize(("header", "first"), [("", 1), ('""', 0), ("index", 0), ("Unnamed: 0", 100)])
def test_an_index_is_no_feature(tmp_path, header, first):
    cells = [[str(first + i), *row] for i, row in enumerate(zip(map(str, AGES), COLOURS, GROUPS, strict=True))]
    data = load_file(written(tmp_path, lines(header=(header, "age", "colour", "group"), cells=cells)), "group")
    usual(data)


@pytest.mark.parametrize(
    "row",
    [
        lambda i: [f"{AGES[i]}", f"{i % 7}", f"{i / 9:.3f}"],
        lambda i: [f"{AGES[i]}", f"{i % 7}", "Iris-" + GROUPS[i]],
        lambda i: [COLOURS[i], "ny?"[i % 3], "yn"[i % 2]],
        lambda i: [f"animal {i}", "1", "0", "1", f"{i % 5}"],
    ],
)
def test_a_table_without_a_header_loses_no_row(tmp_path, row):
    cells = [row(i) for i in range(40)]
    data = load_file(written(tmp_path, lines(header=(), cells=cells)))
    assert len(data.x) == 40
    assert data.notice.startswith(f"t.csv has no header: its columns are called column_0 to column_{len(cells[0]) - 1}")
    assert {str(column.name) for column in data.schema.columns} <= {f"column_{i}" for i in range(len(cells[0]))}


@pytest.mark.parametrize("header", [("height",), ()])
def test_an_empty_line_of_an_only_column_is_an_empty_cell(tmp_path, header):
    cells = [[f"{i / 7:.3f}"] for i in range(40)]
    cells[7], cells[20] = [""], [""]
    file = written(tmp_path, lines(header=header, cells=cells) + "\n\n")
    found = load_file(file).x
    assert found.shape == (40, 1)
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [7, 20]


def test_questions_are_a_header_however_long_they_are(tmp_path):
    questions = [f"{i}. How much do you agree that {'the service ' * 12}was good?" for i in range(2)]
    cells = [[str(1 + i % 5), str(AGES[i])] for i in range(40)]
    data = load_file(written(tmp_path, lines(header=questions, cells=cells)))
    assert data.schema.features == questions
    assert len(data.x) == 40


def test_columns_of_counts_are_taken_as_they_are_where_counts_are_asked_for(tmp_path):
    """Not yes and no for two values; what only names a row is left out still."""
    r = np.random.default_rng(0)
    x = np.column_stack([r.lognormal(4, 2, (60, 3)).astype(int), 7 * r.integers(0, 2, 60)])
    cells = [[f"sample {i}", *map(str, row)] for i, row in enumerate(x)]
    file = written(tmp_path, lines(header=("", "a", "b", "c", "d"), cells=cells))
    np.testing.assert_array_equal(load_file(file, likelihood="counts").x, x)


def test_dates_that_begin_with_days_or_months_say_which(tmp_path):
    for first, last, said in ((1, 12, "months first, as 12/31/2020"), (13, 24, "days first, as 31/12/2020")):
        cells = [[f"{i:02d}/{1 + i % 12:02d}/2020", str(AGES[i])] for i in range(first, last + 1)]
        notice = load_file(written(tmp_path, lines(header=("when", "age"), cells=cells))).notice
        assert f"dates are read with {said}: 'when'" in notice


@pytest.mark.parametrize("header", [("0", "1", "2"), ("1", "2", "3"), ("a", "b", "c"), ("country", "1990", "1995")])
def test_a_header_is_one_even_of_numbers(tmp_path, header):
    cells = [[str(AGES[i]), str(i * i), f"{i / 9:.3f}"] for i in range(40)]
    data = load_file(written(tmp_path, lines(header=header, cells=cells)))
    assert data.schema.features == list(header)
    assert "no header" not in data.notice


STYLES = {  # a table in the style of each of mlbench's: header, row i, label, families of the features
    "BreastCancer": ("Id,a,b,Class", lambda i: f'"{1000025 + 37 * i}","{1 + i % 10}","{1 + i % 7}","benign"', "Class"),
    "DNA": ("V1,V2,V3,Class", lambda i: f'"{i % 2}","{i // 2 % 2}","{i // 3 % 2}","ei"', "Class"),
    "Glass": ("RI,Na,Type", lambda i: f'1.5{i:02d},{13 + i / 7:.2f},"{i % 3}"', "Type"),
    "HouseVotes84": ("Class,V1,V2", lambda i: f'"dem",{["NA", "y"][i % 2]},"{"yn"[i // 2 % 2]}"', "Class"),
    "Ionosphere": ("V1,V2,V3,Class", lambda i: f'"{i % 2}","0",{i / 41:.5f},"good"', "Class"),
    "LetterRecognition": ("lettr,x.box,y.box", lambda i: f'"{"TIDN"[i % 4]}",{i % 15},{i % 11}', "lettr"),
    "PimaIndiansDiabetes2": ("age,insulin,diab", lambda i: f'{20 + i},{["NA", 94 + i, "NA"][i % 3]},"pos"', "diab"),
    "Shuttle": ("V1,V2,Class", lambda i: f'{50 + i % 9},{-20 + i},"Fpv.Close"', "Class"),
    "Vehicle": ("Comp,Circ,Class", lambda i: f'{95 + i % 20},{48 - i},"van"', "Class"),
    "Vowel": ("V1,V2,Class", lambda i: f'"{i % 5}",{-3.6 + i / 7:.3f},"hid"', "Class"),
    "Zoo": ("hair,eggs,legs,t", lambda i: f"{str(i % 2 > 0).upper()},{str(i % 3 > 0).upper()},{2 * (i % 5)},m", "t"),
}  # fmt: skip
FAMILIES = {
    "DNA": [("bernoulli", 3)],
    "Glass": [("gaussian", 2)],
    "HouseVotes84": [("bernoulli", 1)],
    "Ionosphere": [("bernoulli", 1), ("gaussian", 1)],
    "Zoo": [("bernoulli", 2), ("gaussian", 1)],
}


@pytest.mark.parametrize("style", STYLES)
def test_the_styles_of_the_eleven_tables(tmp_path, style):
    header, row, label = STYLES[style]
    quoted = ",".join(f'"{name}"' for name in header.split(","))
    data = load_file(written(tmp_path, "\n".join([quoted, *(row(i) for i in range(60))]) + "\n"), label)
    assert list(data.schema.blocks) == FAMILIES.get(style, [("gaussian", 2)])
    assert len(data.y) == len(data.x) == 60
    share = {"HouseVotes84": 0.0, "PimaIndiansDiabetes2": 40 / 120}.get(style, 0.0)
    assert np.isnan(data.x).mean() == pytest.approx(share)


def test_columns_are_chosen_dropped_and_named(tmp_path):
    cells = [[f"p{i}", *row] for i, row in enumerate(zip(map(str, AGES), COLOURS, GROUPS, strict=True))]
    file = written(tmp_path, lines(header=("name", "age", "colour", "group"), cells=cells))
    data = load_file(file, "group", id="name", drop="colour")
    assert data.schema.features == ["age"]
    assert data.ids.tolist() == [f"p{i}" for i in range(40)]
    assert data.part(np.array([3, 7])).ids.tolist() == ["p3", "p7"]
    assert data.schema.dropped == {"colour": "as asked", "group": "labels for scoring", "name": "names of the rows"}
    assert load_file(file, columns="age, colour").schema.features[:2] == ["age", "colour=blue"]
    odd = written(tmp_path, 'x,"a,b",c\n' + "".join(f"{i * i},{i / 7},{i % 5}\n" for i in range(30)), "odd.csv")
    assert load_file(odd, columns='"a,b",c').schema.features == ["a,b", "c"]
    for options, message in (
        ({"columns": "age,size"}, "^columns: expected one of the columns .* got 'size'"),
        ({"drop": "size"}, "^drop: expected one of the columns"),
        ({"id": "size"}, "^id: expected one of the columns"),
        ({"labels": "size"}, "^labels: expected one of the columns"),
        ({"text": "size"}, "^text: expected one of the columns"),
        ({"columns": "age,,"}, "^columns: expected names"),
        ({"columns": "age", "drop": "age"}, "^columns: 'age' is named as something else"),
    ):
        with pytest.raises(InputError, match=message):
            load_file(file, **options)


def test_labels_have_a_value_in_each_row_and_stay_text(tmp_path):
    file = written(tmp_path, "v,y\n" + "".join(f"{i / 7},0{i % 3}\n" for i in range(30)))
    assert load_file(file, "y").y.max() == 2
    with pytest.raises(InputError, match="labels: expected one a row, got none in row 4"):
        load_file(written(tmp_path, "v,y\n1,a\n2,b\n3,a\n4,b\n5,\n6,b\n"), "y")


@pytest.mark.parametrize("separator", [",", " "])
def test_names_and_labels_are_what_is_written_whatever_they_say(tmp_path, separator):
    names = ["FR", "NA", "null", "nan", "N/A", "?", "None", "-"]
    cells = [[names[i % 8], "?" if i == 5 else f"{i / 7:.3f}", ("None", "some")[i % 2]] for i in range(40)]
    file = written(tmp_path, lines(separator, header=("country", "v", "kind"), cells=cells))
    data = load_file(file, "kind", id="country")
    assert data.ids.tolist() == [name for name, _, _ in cells]
    assert data.y.tolist() == [i % 2 for i in range(40)]
    assert np.flatnonzero(np.isnan(data.x[:, 0])).tolist() == [5]  # in any other column these are empty cells


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines()[:-9] + "\n", "line 41 has . cells where the first has 3"),
        (lines().replace(",red,", ",", 1), "line 2 has 2 cells where the first has 3"),
        (lines() + "1,red,a,more\n", "cannot be read as .csv"),
        ("", "cannot be read as .csv .it is empty."),
        ("a,b\n", r"expected a table with rows"),
        (lines().replace("red", "r\0d"), "null bytes"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load_file(written(tmp_path, text))


def test_a_table_in_another_encoding_or_cut_off_is_named(tmp_path):
    for encoding in ("utf-16", "latin-1"):
        with pytest.raises(InputError, match=r"data: expected a text in UTF-8, got .*t.csv, .*; save it as UTF-8$"):
            load_file(written(tmp_path, lines().replace("red", "röd"), encoding=encoding))
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(gzip.compress(lines().encode())[:-20])
    with pytest.raises(InputError, match="data: .*cut.csv.gz cannot be read as .csv.gz"):
        load_file(str(file))


def test_new_rows_of_a_table_are_coded_as_those_before(tmp_path):
    first = load_file(written(tmp_path, lines()), "group")
    again = coded(json.loads(json.dumps(first.schema.to_dict())))
    assert again == first.schema
    text = "colour;extra;age\nblue;1;20,5\npink;2;?\nred;3;700\n"
    new = load_file(written(tmp_path, text, "new.csv"), schema=again)
    np.testing.assert_array_equal(new.x, [[20.5, 1, 0, 0], [np.nan] * 4, [700, 0, 0, 1]])
    assert "'extra'" in new.notice
    assert "'pink': taken as missing" in new.notice
    with pytest.raises(InputError, match="got a table without 'age'"):
        load_file(written(tmp_path, "colour\nred\n", "less.csv"), schema=again)
    with pytest.raises(InputError, match="'age', got 'old' at row 1"):
        load_file(written(tmp_path, "colour,age\nred,1\nred,old\n", "old.csv"), schema=again)


def test_a_run_without_a_schema_takes_a_table_as_plain_numbers(tmp_path):
    """As every run did before there were schemas: nothing dropped, no logarithm, no missing cells."""
    rows = np.stack([np.arange(20), np.full(20, 7), np.exp(np.arange(20))], axis=1).astype("f4")
    file = written(tmp_path, "id,c,v\n" + "".join(",".join(map(repr, map(float, row))) + "\n" for row in rows))
    data = load_file(file, plain=True)
    np.testing.assert_allclose(data.x, rows, rtol=1e-6)
    assert data.schema is None
    with pytest.raises(InputError, match="got nan at row 1"):
        load_file(written(tmp_path, "a,b\n1,2\n,4\n"), plain=True)
    with pytest.raises(InputError, match="column 'b', got 'x' at row 1"):
        load_file(written(tmp_path, "a,b\n1,2\n3,x\n"), plain=True)


def test_an_array_of_new_rows_for_a_table(tmp_path):
    schema = load_file(written(tmp_path, "a,b\n" + "".join(f"{i * i},{i % 2}\n" for i in range(30)))).schema
    np.save(tmp_path / "new.npy", [[3.0, 1.0], [4.0, 5.0]])
    np.testing.assert_array_equal(load_file(str(tmp_path / "new.npy"), schema=schema).x, [[3, 1], [4, np.nan]])
    np.save(tmp_path / "wide.npy", np.ones((2, 3)))
    with pytest.raises(InputError, match=r"expected a table, or an array with its 2 columns \(a, b\), got .* \(2, 3\)"):
        load_file(str(tmp_path / "wide.npy"), schema=schema)


def test_an_array_of_new_rows_for_a_table_may_be_large(tmp_path, monkeypatch):
    """It stays in its file until its features are made, some rows at a time, from the numbers as they are stored."""
    monkeypatch.setattr(stream, "STRIDE", 7)
    first = 1_764_000_000_000
    schema = load_file(written(tmp_path, "a,b\n" + "".join(f"{first + i},{i % 2}\n" for i in range(30)))).schema
    rows = np.stack([first + np.arange(20.0), np.arange(20) % 3], axis=1)
    np.save(tmp_path / "new.npy", rows)
    want = load_file(str(tmp_path / "new.npy"), schema=schema).x
    np.testing.assert_array_equal(load_file(str(tmp_path / "new.npy"), schema=schema, in_file=True).x, want)
    assert len(np.unique(want[:, 0])) == 20
    monkeypatch.setattr(machine, "memory", lambda: 100)
    with pytest.raises(InputError, match="what its 20 rows become, of 2 features, needs"):
        load_file(str(tmp_path / "new.npy"), schema=schema, in_file=True)


def test_endings_in_capitals(tmp_path):
    usual(load_file(written(tmp_path, lines(), "T.CSV"), "group"))
    np.save(tmp_path / "x.npy", np.eye(3))
    (tmp_path / "x.npy").rename(tmp_path / "x.NPY")
    assert load_file(str(tmp_path / "x.NPY")).x.shape == (3, 3)


def test_parquet(tmp_path):
    frame = pandas.DataFrame({"age": AGES, "colour": pandas.Categorical(COLOURS), "group": GROUPS})
    frame.to_parquet(tmp_path / "t.parquet")
    usual(load_file(str(tmp_path / "t.parquet"), "group"))
    frame.set_index("group").assign(born=pandas.Timestamp("2020-01-01") + pandas.to_timedelta(AGES, "D")).to_parquet(
        tmp_path / "i.parquet"
    )
    data = load_file(str(tmp_path / "i.parquet"))
    assert data.schema.features == ["age", "colour=blue", "colour=green", "colour=red", "born"]
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"data: .*cut.parquet"):
        load_file(str(tmp_path / "cut.parquet"))


def test_one_row_without_a_header_is_coded_as_the_rows_of_a_file_without_one(tmp_path):
    rows = "".join(f"{i / 4},{'red' if i % 3 else 'blue'},{i % 5}.5\n" for i in range(1, 30))
    first = load_file(written(tmp_path, rows))
    assert [column.name for column in first.schema.columns] == ["column_0", "column_1", "column_2"]
    for text in ("1.25,red,3.5\n", "1.25,red,3.5", "column_0,column_1,column_2\n1.25,red,3.5\n"):
        new = load_file(written(tmp_path, text, "new.csv"), schema=first.schema)
        np.testing.assert_array_equal(new.x, [[1.25, 1, 3.5]])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_wide_table_without_a_header_keeps_its_first_row(tmp_path, monkeypatch, ending):
    """Its lines are longer than what is looked at first."""
    monkeypatch.setattr(cutting, "LOOKED_AT", 64)
    rows = np.random.default_rng(0).random((9, 40)).round(4)
    text = ending.join(",".join(map(str, row)) for row in rows) + ending
    data = load_file(written(tmp_path, text))
    np.testing.assert_allclose(data.x, rows, rtol=1e-6)


@pytest.mark.parametrize("names", ["a\nb", "a\rb", 'a"\nb'])
def test_names_of_columns_on_several_lines_are_no_damage_of_the_file(tmp_path, names):
    for flag in ("columns", "drop"):
        with pytest.raises(InputError, match=f"^{flag}: expected names of columns with commas between them, got"):
            load_file(written(tmp_path, lines()), **{flag: names})


def test_new_texts_without_their_column_blame_the_file(tmp_path):
    first = load_file(written(tmp_path, "words,n\n" + "red apple,1\ngreen tree,2\n" * 9), text="words")
    with pytest.raises(InputError, match=r"^data: expected the column 'words' of .*, got the columns \['n'\] of"):
        load_file(written(tmp_path, "n\n1\n", "new.csv"), schema=first.schema)


@pytest.mark.parametrize("argument", ["columns", "drop", "id"])
def test_lines_of_text_have_no_columns(tmp_path, argument):
    (tmp_path / "x.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match=f"^{argument}: goes with a table that has columns, got lines of text"):
        load_file(str(tmp_path / "x.txt"), text="lines", **{argument: "a"})


def test_slips_among_numbers_with_decimal_commas_are_named(tmp_path):
    cells = [f"{36 + i / 10:.1f}".replace(".", ",") for i in range(60)]
    for slip in ("k.A.", "36.55"):
        text = "Temperatur;Gruppe\n" + "".join(f"{c};{'ab'[i % 2]}\n" for i, c in enumerate([*cells, slip]))
        with pytest.raises(
            InputError, match=f"expected a number in every row of column 'Temperatur'.* got '{slip}' at row 60"
        ):
            load_file(written(tmp_path, text, "t.csv"))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("\n1.5\n2.5\n\n3.5\n", [None, 1.5, 2.5, None, 3.5]),
        ("\n\nsize\n1.5\n\n3.5\n", [1.5, None, 3.5]),
        ("size\n\n1.5\n3.5\n", [None, 1.5, 3.5]),
    ],
)
def test_an_empty_line_of_an_only_column_is_a_cell_wherever_it_stands(tmp_path, text, known):
    table, _, _, _ = tables.read_text(Path(written(tmp_path, text, "x.csv")), [])
    np.testing.assert_array_equal(table.iloc[:, 0].to_numpy(float), np.array(known, float))
