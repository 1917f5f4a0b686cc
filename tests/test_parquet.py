"""Tables in .parquet: a text that many cells share is held once, and what comes of it is as it was written."""

import numpy as np
import pandas
import pytest

from vade_tf.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("vade_tf.data.parquet")

TABLE = pandas.DataFrame(
    {
        "number": [1.5, None, 3.0, 4.0],
        "text": ["a", None, "b", "a"],
        "bytes": [b"x", b"y", None, b"x"],
        "kind": pandas.Categorical(["u", "v", "u", None]),
        "whole": [1, 2, 3, 4],
        "truth": [True, False, None, True],
    }
)


def shared(file, text: str, cells: int):
    """A file of cells that all have one text, which is stored once."""
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(cells, "i4"), [text])
    table = pyarrow.table({"n": np.arange(float(cells)), "t": texts})
    pyarrow.parquet.write_table(table, file, store_schema=False)
    return file


def test_a_table_is_as_pyarrow_reads_it(tmp_path):
    TABLE.to_parquet(tmp_path / "t.parquet", index=False)
    expected = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pandas()
    for found in (parquet.read(tmp_path / "t.parquet"), parquet.ParquetTable(tmp_path / "t.parquet")[0:4]):
        pandas.testing.assert_frame_equal(found, expected, check_dtype=True)
        assert found["text"].tolist() == ["a", None, "b", "a"]
    one = parquet.read(tmp_path / "t.parquet", ["text"])
    pandas.testing.assert_frame_equal(one, expected[["text"]])


@pytest.mark.parametrize("name", [None, "n"])
def test_an_index_of_pandas_is_no_column(tmp_path, name):
    TABLE.loc[[1, 3, 2]].rename_axis(name).to_parquet(tmp_path / "t.parquet")
    found = parquet.ParquetTable(tmp_path / "t.parquet")
    assert (found.columns, found.index) == (list(TABLE), [name or "__index_level_0__"])
    assert list(found[0:2]) == list(parquet.read(tmp_path / "t.parquet"))
    assert parquet.ParquetTable(tmp_path / "t.parquet", found.index)[0:2].iloc[:, 0].tolist() == [1, 3]


@pytest.mark.parametrize("noted", [b"\xff", b"{", b"[]", b"{}", b'{"index_columns": 1}', b'{"index_columns": [{}, 2]}'])
def test_what_pandas_has_noted_may_be_damaged(tmp_path, noted):
    table = pyarrow.table({"a": [1.0, 2.0]}).replace_schema_metadata({b"pandas": noted})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert parquet.ParquetTable(tmp_path / "t.parquet")[0:2]["a"].tolist() == [1.0, 2.0]


def test_a_text_is_held_once(tmp_path):
    found = parquet.read(shared(tmp_path / "t.parquet", "x" * 1000, 50))["t"]
    assert found.iloc[0] == "x" * 1000
    assert all(cell is found.iloc[0] for cell in found)


@pytest.mark.parametrize("read", [parquet.read, lambda file: parquet.ParquetTable(file)[0:50]], ids=["whole", "part"])
def test_texts_far_longer_than_the_file_are_refused(read, tmp_path, monkeypatch):
    file = shared(tmp_path / "t.parquet", "x" * 10_000, 50)
    monkeypatch.setattr(parquet, "memory", lambda: 8 * 499_999)
    with pytest.raises(ValueError, match="the texts of its cells take 500,000 bytes, and 10,... are stored"):
        read(file)
    monkeypatch.setattr(parquet, "memory", lambda: 8 * 500_000)
    assert len(read(file)) == 50


def test_texts_that_are_all_stored_are_read_however_long(tmp_path, monkeypatch):
    pandas.DataFrame({"t": [f"{i:06}" for i in range(1000)]}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "memory", lambda: 8)
    assert len(parquet.read(tmp_path / "t.parquet")) == 1000


def test_the_refusal_names_the_file(tmp_path, monkeypatch):
    from vade_tf.data.files import load_file

    shared(tmp_path / "t.parquet", "x" * 10_000, 50)
    monkeypatch.setattr(parquet, "memory", lambda: 100)
    with pytest.raises(InputError, match="data: .*t.parquet cannot be read as .parquet .the texts of its cells"):
        load_file(str(tmp_path / "t.parquet"))


def test_of_a_column_that_is_read_its_own_bytes_count(tmp_path, monkeypatch):
    table = pandas.DataFrame(
        {"id": np.arange(5000), **{f"x{i}": np.random.default_rng(i).random(5000) for i in range(9)}}
    )
    table.to_parquet(tmp_path / "t.parquet")
    asked = []
    monkeypatch.setattr(parquet, "check_memory", lambda size, name: asked.append(size))
    assert list(parquet.read(tmp_path / "t.parquet", ["id"])) == ["id"]
    parquet.read(tmp_path / "t.parquet")
    assert 5000 * 2 < asked[0] < asked[1] / 5


def test_a_small_file_of_very_many_equal_numbers_is_refused(tmp_path, monkeypatch):
    """Stored once, they take eight bytes each when they are read."""
    table = pyarrow.table({"x": pyarrow.array(np.zeros(1_000_000))})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    monkeypatch.setattr("vade_tf.reading.memory", lambda: 4_000_000)
    with pytest.raises(ValueError, match="t.parquet needs"):
        parquet.read(tmp_path / "t.parquet")
