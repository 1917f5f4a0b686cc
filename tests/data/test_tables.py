"""Text files of tables are read by pandas, as flags say; columns are chosen by their names."""

import gzip

import pandas
import pytest
from small_tables import written

from vade_tf.data.tables import Dialect, check_columns, complete, names_in, pick, read_text, separator
from vade_tf.errors import InputError

ROWS = [["1.5", "red wine", "2020-01-02 10:00"], ["2", "blue", "2020-01-03 11:00"], ["", "red", ""]] * 20


def text(sep: str, header: bool = True) -> str:
    lines = [["amount", "colour", "day"]] * header + ROWS
    return "".join(sep.join(line) + "\n" for line in lines)


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.data", "t.dat.gz", "T.CSV"])
def test_any_separator_under_any_name(tmp_path, sep, name):
    file = tmp_path / name
    content = text(sep).encode("utf-8-sig")
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert separator(file) == sep
    found = read_text(file, Dialect())
    assert list(found) == ["amount", "colour", "day"]
    assert (len(found), found["amount"].dtype, found["colour"][0]) == (60, "float64", "red wine")


@pytest.mark.parametrize(
    ("content", "name", "sep"),
    [
        ("a\n1\n2\n", "t.csv", ","),  # a column alone
        ("a b\n" + "1 2\n" * 9, "t.data", " "),
        ('a,b\n"x; y",1\n"z; w",2\n', "t.csv", ","),
        ("a,b\n1,5\n2,5\n", "t.tsv", "\t"),  # which has tabs
        ("a;b\n" + "1,5;2,5\n" * 9, "t.csv", ";"),  # decimal commas
    ],
)
def test_what_separates_cells(tmp_path, content, name, sep):
    (tmp_path / name).write_text(content)
    assert separator(tmp_path / name) == sep


@pytest.mark.parametrize(
    ("content", "dialect", "expected"),
    [
        ("a;b\n1,5;x\n2;y\n", {"decimal": ","}, {"a": [1.5, 2.0], "b": ["x", "y"]}),
        ("a~b\n1~x\n2~y\n", {"sep": "~"}, {"a": [1, 2], "b": ["x", "y"]}),
        ("1,x\n2,y\n", {"header": "none"}, {"column_0": [1, 2], "column_1": ["x", "y"]}),
        ("made by,us\na,b\n1,x\n2,y\n", {"header": "1"}, {"a": [1, 2], "b": ["x", "y"]}),
        ("a,b\n-9,x\n2,gone\n", {"na_values": "-9,gone"}, {"a": [None, 2], "b": ["x", None]}),
        ("a,b\n01067,x\n00002,y\n", {"dtype": "a=str"}, {"a": ["01067", "00002"], "b": ["x", "y"]}),
        (
            "01,x\n02,y\n",
            {"header": "none", "dtype": "column_0=str"},
            {"column_0": ["01", "02"], "column_1": ["x", "y"]},
        ),
        ("a,b\n1,x\n2,y\n", {"dtype": "a=float"}, {"a": [1.0, 2.0], "b": ["x", "y"]}),
        ("a,b\n1,?\n#N/A,y\n", {}, {"a": [1, None], "b": [None, "y"]}),
        ("a, b\n 1, x\n 2, y\n", {}, {"a": [1, 2], "b": ["x", "y"]}),
        ("a,a\n1,x\n2,y\n", {}, {"a": [1, 2], "a.1": ["x", "y"]}),
        ("a,b\nr1,1,x\nr2,2,y\n", {}, {"Unnamed: 0": ["r1", "r2"], "a": [1, 2], "b": ["x", "y"]}),  # as R writes it
    ],
)
def test_a_dialect_is_that_of_pandas(tmp_path, content, dialect, expected):
    found = read_text(tmp_path / written(tmp_path, content), Dialect(**dialect))
    cells = {name: found[name].astype(object).where(found[name].notna(), None).tolist() for name in found}
    assert cells == expected


def test_names_and_labels_are_what_is_written_whatever_they_say(tmp_path):
    file = tmp_path / written(tmp_path, "id,kind,a,b\n007,NA,1,01\n 8,None,2,1\n,x,NA,\n")
    found = read_text(file, Dialect(), as_written=["id", "kind", "not there"], levels=["b", "kind"])
    assert found["id"].tolist() == ["007", "8", ""]
    assert found["kind"].tolist() == ["NA", "None", "x"]
    assert found["b"].tolist()[:2] == ["01", "1"]
    assert found["b"].isna().tolist() == [False, False, True]
    assert found["a"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ({"header": "first"}, "header: expected the number of the line"),
        ({"dtype": "zip"}, "dtype: expected columns and their types"),
        ({"na_values": "a,,b"}, "na_values: expected names with commas"),
    ],
)
def test_a_dialect_that_nobody_understands(tmp_path, dialect, message):
    with pytest.raises(InputError, match=message):
        read_text(tmp_path / written(tmp_path, "a,b\n1,2\n"), Dialect(**dialect))


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n3,4,5\n", 'a,b\n1,"2\n'])
def test_what_pandas_says_of_a_damaged_table_is_passed_on(tmp_path, content):
    with pytest.raises(ValueError, match="No columns|Expected 2 fields in line 3|EOF inside string"):
        read_text(tmp_path / written(tmp_path, content), Dialect())


def test_names_in_a_flag():
    assert names_in('age, "a,b" ,c', "columns") == ["age", "a,b", "c"]
    assert names_in(None, "columns") == []
    with pytest.raises(InputError, match="^drop: expected names"):
        names_in("", "drop")


def test_columns_are_chosen_and_named(tmp_path):
    table = pandas.DataFrame({"name": ["x", "y"], "a": [1, 2], "b": [3, 4], "kind": ["u", "v"]})
    others = {"labels": "kind", "id": "name"}
    x, reasons = pick(table, [], [], others, tmp_path)
    assert list(x) == ["a", "b"]
    assert reasons == {"kind": "labels for scoring", "name": "names of the rows"}
    x, reasons = pick(table, ["b"], [], {"labels": None, "id": None}, tmp_path)
    assert (list(x), list(reasons)) == (["b"], ["name", "a", "kind"])
    assert list(pick(table, [], ["a", "name"], {}, tmp_path)[0]) == ["b", "kind"]
    for columns, drop, argument in ((["c"], [], "columns"), ([], ["c"], "drop"), (["kind"], [], "columns")):
        with pytest.raises(InputError, match=f"^{argument}: expected"):
            pick(table, columns, drop, others, tmp_path)
    with pytest.raises(InputError, match=r"^labels: expected one of the columns \['name', 'a'"):
        check_columns(table, {"labels": ["c"]}, tmp_path)


@pytest.mark.parametrize("cell", [None, ""])
def test_labels_have_a_value_in_each_row(tmp_path, cell):
    with pytest.raises(InputError, match="^labels: expected a value in every row of .*, got none in row 1"):
        complete(pandas.Series(["a", cell, "b"]), "labels", tmp_path)
