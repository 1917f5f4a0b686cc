"""Text files of tables are read by pandas, as flags say; files become data sets; new rows are coded as the first."""

import gzip

import numpy as np
import pandas
import pytest
from small_files import loaded
from small_tables import NUMBERS, many, written

from vade_tf.data import parquet, rows, tables
from vade_tf.data.columns import Column
from vade_tf.data.rows import FileRows
from vade_tf.data.schema import Schema
from vade_tf.data.tables import Dialect, read_text, separator
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
    schema = Schema(tuple(Column(name, "boolean", ("01", "1")) for name in ("b", "kind")), {})
    found = read_text(file, Dialect(), schema, ["id", "kind", "not there"])
    assert found["id"].tolist() == ["007", "8", ""]
    assert found["kind"].tolist() == ["NA", "None", "x"]
    assert found["b"].tolist()[:2] == ["01", "1"]
    assert found["b"].isna().tolist() == [False, False, True]
    assert found["a"].isna().tolist() == [False, False, True]


@pytest.fixture
def table():
    """Sixty rows: a name, a number, a category and a kind."""
    names = [f"thing {i}" for i in range(60)]
    columns = {"amount": NUMBERS, "colour": many(["red", "green", "blue"]), "kind": many(["01", "1", "None"])}
    return pandas.DataFrame({"name": names, **columns})


@pytest.fixture
def saved(table, tmp_path):
    """Writes the table, or another, as a file of an ending."""

    def save(ending: str, rows=table) -> str:
        file = tmp_path / f"t{ending}"
        sep = "\t" if ending == ".tsv" else ","
        rows.to_parquet(file) if ending == ".parquet" else rows.to_csv(file, index=False, sep=sep)
        return str(file)

    return save


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_a_file_is_coded_by_its_schema_and_says_so_once(saved, table, ending):
    found = loaded(saved(ending), labels="kind", id="name")
    expected = Schema.infer(table[["amount", "colour"]])
    np.testing.assert_array_equal(found.x, expected.encode(table)[0])
    assert found.schema.columns == expected.columns
    assert found.schema.dropped == {"kind": "as asked, labels for scoring", "name": "as asked, names of the rows"}
    assert found.notice.splitlines() == found.schema.describe()
    assert (found.kind, found.name, found.ids[1], found.y.tolist()[:3]) == ("table", "t", "thing 1", [0, 1, 2])


def test_columns_are_chosen_and_left_out(saved, table):
    assert loaded(saved(".csv"), columns="amount").schema.features == ["amount"]
    found = loaded(saved(".parquet"), drop="name,colour")
    assert found.schema.dropped == {"name": "as asked", "colour": "as asked"}
    with pytest.raises(InputError, match="^drop: expected one of the columns"):
        loaded(saved(".csv"), drop="nome")
    with pytest.raises(InputError, match="^labels: expected a value in every row"):
        loaded(saved(".csv", table.mask(table == "01")), labels="kind")


def test_all_columns_are_pixels_where_an_image_shape_is_declared(tmp_path):
    file = written(tmp_path, "a,b,c,d\n" + "".join(f"{i},{i % 2},0,{i % 5}\n" for i in range(60)))
    found = loaded(file, image_shape=(2, 2))
    assert (found.x.shape, found.image_shape) == ((60, 4), (2, 2))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_new_rows_are_coded_as_those_before(saved, table, ending):
    first = loaded(saved(".csv"), labels="kind", id="name")
    new = table.iloc[40:44, ::-1].assign(more=1, colour=["red", "pink", None, "blue"])
    found = loaded(saved(ending, new), schema=first.schema)
    np.testing.assert_array_equal(found.x[[0, 3], 1:], [[0, 0, 1], [1, 0, 0]])
    assert np.isnan(found.x[1:3, 1:]).all()
    assert found.notice.splitlines() == [
        "columns that training did not have are ignored: 'more'",
        "values of 'colour' that training did not see are taken as missing: 'pink'",
    ]


def test_an_array_of_new_rows_for_a_table(saved, table, tmp_path):
    schema = loaded(saved(".csv"), columns="amount").schema
    np.save(tmp_path / "x.npy", table[["amount"]].to_numpy())
    np.testing.assert_allclose(loaded(str(tmp_path / "x.npy"), schema=schema).x[:, 0], NUMBERS, rtol=1e-6)
    np.save(tmp_path / "y.npy", np.zeros((3, 2)))
    with pytest.raises(InputError, match="^data: expected a table, or an array with its 1 columns"):
        loaded(str(tmp_path / "y.npy"), schema=schema)


@pytest.mark.parametrize("large", ["asked", "the table", "its features"])
def test_a_large_parquet_table_is_coded_in_parts(saved, table, tmp_path, monkeypatch, large):
    """As the same rows in memory; features that do not fit stay in a file that is gone when they are."""
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    file, expected = saved(".parquet"), loaded(saved(".csv"), labels="kind", id="name")
    if large == "the table":
        monkeypatch.setattr(parquet, "memory", lambda: 1000)
    if large == "its features":
        monkeypatch.setattr(tables, "stays_in_file", lambda *rows: True)
    monkeypatch.setattr(rows, "STRIDE", 7)
    found = loaded(file, labels="kind", id="name", in_file=large == "asked")
    assert isinstance(found.x, FileRows) == (large != "the table")
    np.testing.assert_array_equal(found.x[:], expected.x)
    np.testing.assert_array_equal(found.y, expected.y)
    assert (found.ids.tolist(), found.schema) == (expected.ids.tolist(), expected.schema)
    assert len(list((tmp_path / "cache").glob("rows-*"))) == (large != "the table")
    del found
    assert not list((tmp_path / "cache").glob("rows-*"))
