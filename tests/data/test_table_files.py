"""Files of tables and of texts become data sets; new rows are coded as the first."""

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many, written

from vade_tf.data import parquet, table_files
from vade_tf.data.files import load_file
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.data.tables import Dialect
from vade_tf.errors import InputError


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
        rows.to_parquet(file) if ending == ".parquet" else rows.to_csv(file, index=False)
        return str(file)

    return save


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_a_file_is_coded_by_its_schema_and_says_so_once(saved, table, ending):
    rows = table.rename_axis(None)
    file = saved(ending) if ending != ".tsv" else written_as_tabs(saved(".tsv"), table)
    found = load_file(file, labels="kind", id="name")
    expected = Schema.infer(rows[["amount", "colour"]])
    np.testing.assert_array_equal(found.x, expected.encode(rows)[0])
    assert found.schema.columns == expected.columns
    assert found.schema.dropped == {"kind": "labels for scoring", "name": "names of the rows"}
    assert found.notice.splitlines() == found.schema.describe()
    assert (found.kind, found.name, found.ids[1], found.y.tolist()[:3]) == ("table", "t", "thing 1", [0, 1, 2])


def written_as_tabs(file: str, table) -> str:
    table.to_csv(file, index=False, sep="\t")
    return file


def test_columns_are_chosen_and_left_out(saved, table):
    assert load_file(saved(".csv"), columns="amount").schema.features == ["amount"]
    found = load_file(saved(".parquet"), drop="name,colour")
    assert found.schema.dropped == {"name": "as asked", "colour": "as asked"}
    with pytest.raises(InputError, match="^drop: expected one of the columns"):
        load_file(saved(".csv"), drop="nome")
    with pytest.raises(InputError, match="^labels: expected a value in every row"):
        load_file(saved(".csv", table.mask(table == "01")), labels="kind")


def test_a_dialect_is_passed_on(tmp_path):
    file = written(tmp_path, "".join(f"{i % 7},5;{'x' if i % 3 else '-'}\n" for i in range(60)))
    found = load_file(file, dialect=Dialect(decimal=",", header="none", na_values="-", dtype="column_1=str"))
    assert found.schema.columns[0].name == "column_0"
    assert found.x[:3].tolist() == [[0.5], [1.5], [2.5]]
    assert found.schema.dropped == {"column_1": "its only value is 'x'"}


@pytest.mark.parametrize("likelihood", ["counts", "zinb"])
def test_counts_are_taken_as_they_are_where_they_are_asked_for(tmp_path, likelihood):
    file = written(tmp_path, "no,a,b\n" + "".join(f"{i},{i % 2},{i % 5}\n" for i in range(60)))
    found = load_file(file, likelihood=likelihood)
    assert (found.schema.features, found.kind) == (["a", "b"], "counts")


def test_all_columns_are_pixels_where_an_image_shape_is_declared(tmp_path):
    file = written(tmp_path, "a,b,c,d\n" + "".join(f"{i},{i % 2},0,{i % 5}\n" for i in range(60)))
    found = load_file(file, declared=(2, 2))
    assert (found.x.shape, found.image_shape) == ((60, 4), (2, 2))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_new_rows_are_coded_as_those_before(saved, table, ending):
    first = load_file(saved(".csv"), labels="kind", id="name")
    new = table.iloc[40:44, ::-1].assign(more=1, colour=["red", "pink", None, "blue"])
    found = load_file(saved(ending, new), schema=first.schema)
    np.testing.assert_array_equal(found.x[[0, 3], 1:], [[0, 0, 1], [1, 0, 0]])
    assert np.isnan(found.x[1:3, 1:]).all()
    assert found.notice.splitlines() == [
        "columns that training did not have are ignored: 'more'",
        "values of 'colour' that training did not see are taken as missing: 'pink'",
    ]


def test_labels_may_be_read_by_the_model_as_well(saved):
    first = load_file(saved(".csv"), drop="name")
    again = load_file(saved(".csv"), labels="colour", schema=first.schema)
    np.testing.assert_array_equal(again.x, first.x)
    assert len(np.unique(again.y)) == 3


def test_a_run_without_a_schema_takes_a_table_as_plain_numbers(tmp_path):
    file = written(tmp_path, "no,c,a\n" + "".join(f"{i},7,{i % 5}\n" for i in range(60)))
    found = load_file(file, plain=True)
    assert (found.x.shape, found.schema, found.notice) == ((60, 3), None, "")


def test_an_array_of_new_rows_for_a_table(saved, table, tmp_path):
    schema = load_file(saved(".csv"), columns="amount").schema
    np.save(tmp_path / "x.npy", table[["amount"]].to_numpy())
    np.testing.assert_allclose(load_file(str(tmp_path / "x.npy"), schema=schema).x[:, 0], NUMBERS, rtol=1e-6)
    np.save(tmp_path / "y.npy", np.zeros((3, 2)))
    with pytest.raises(InputError, match="^data: expected a table, or an array with its 1 columns"):
        load_file(str(tmp_path / "y.npy"), schema=schema)


@pytest.mark.parametrize("large", ["asked", "the table", "its features"])
def test_a_large_parquet_table_is_coded_in_parts(saved, table, tmp_path, monkeypatch, large):
    """As the same rows in memory; features that do not fit stay in a file that is gone when they are."""
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    file, expected = saved(".parquet"), load_file(saved(".csv"), labels="kind", id="name")
    if large == "the table":
        monkeypatch.setattr(parquet, "memory", lambda: 1000)
    if large == "its features":
        monkeypatch.setattr(table_files, "stays_in_file", lambda *rows: True)
    monkeypatch.setattr(table_files, "MAX_ROWS_CODED", 7)
    found = load_file(file, labels="kind", id="name", in_file=large == "asked")
    assert isinstance(found.x, FileRows) == (large != "the table")
    np.testing.assert_array_equal(found.x[:], expected.x)
    np.testing.assert_array_equal(found.y, expected.y)
    assert (found.ids.tolist(), found.schema) == (expected.ids.tolist(), expected.schema)
    assert len(list((tmp_path / "cache").glob("rows-*"))) == (large != "the table")
    del found
    assert not list((tmp_path / "cache").glob("rows-*"))


TOPICS = ["river water boat fish", "engine wheel road brake", "flour oven bread salt"]


@pytest.mark.parametrize("as_lines", [True, False])
def test_texts_become_weighted_words_and_new_ones_the_same(tmp_path, as_lines):
    lines = [TOPICS[i % 3] for i in range(30)]
    file, text = written(tmp_path, "\n".join(lines) + "\n\n", "t.txt"), "lines"
    if not as_lines:
        pandas.DataFrame({"kind": many([0, 1, 2], 30), "body": lines}).to_csv(tmp_path / "t.csv", index=False)
        file, text = str(tmp_path / "t.csv"), "body"
    found = load_file(file, text=text, labels=None if as_lines else "kind")
    assert (found.x.shape, found.kind) == ((30, 12), "texts")
    new = load_file(written(tmp_path, "bread fish\nnothing known\n", "new.txt"), schema=found.schema)
    assert np.count_nonzero(new.x[:], axis=1).tolist() == [2, 0]
    assert "1 of 2 texts have none" in new.notice


def test_texts_without_any_word_are_counted_in_the_notice(tmp_path):
    file = written(tmp_path, "\n".join([TOPICS[0], "a", TOPICS[1], TOPICS[0], TOPICS[1], "b"] * 3), "t.txt")
    assert "6 of 18 texts have none" in load_file(file, text="lines").notice


@pytest.mark.parametrize(("text", "message"), [("boddy", "text: expected one of the columns"), ("lines", "text")])
def test_a_column_of_texts_that_is_not_there_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load_file(written(tmp_path, "body,b\nx y,1\n"), text=text)
