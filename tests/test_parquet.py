"""Tables in .parquet: a text that many cells share is held once, and what comes of it is as it was written."""

import sys
import tracemalloc
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

import vade_tf.data
from vade_tf.data import shards, table_files
from vade_tf.data.files import load_file
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("vade_tf.data.parquet")
converted = pytest.importorskip("vade_tf.data.converted")

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
    expected = expected.assign(text=pandas.Series(["a", None, "b", "a"], dtype=object))  # in pandas 3, too
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


@pytest.mark.parametrize("times", [2, 7])
def test_a_table_takes_less_than_the_memory_or_is_read_in_parts(tmp_path, monkeypatch, times):
    """While it is read and coded as a whole it is there several times; its features fit either way."""
    n = 400_000
    table = pandas.DataFrame({f"c{i}": np.arange(n) % (7 + i) / 2 for i in range(9)})
    table.to_parquet(tmp_path / "t.parquet")
    limit = times * 8 * n * 9
    for module in (shards, table_files):
        monkeypatch.setattr(module, "memory", lambda: limit)
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    pool, before = pyarrow.proxy_memory_pool(pyarrow.default_memory_pool()), pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pool)
    tracemalloc.start()
    try:
        found = load_file(str(tmp_path / "t.parquet"))
        assert tracemalloc.get_traced_memory()[1] + pool.max_memory() < limit
    finally:
        tracemalloc.stop()
        pyarrow.set_memory_pool(before)
    assert isinstance(found.x, np.ndarray)
    np.testing.assert_allclose(found.schema.decode(found.x[-9:])["c8"], table["c8"].iloc[-9:], rtol=1e-6)


def test_what_a_file_says_of_its_columns_is_asked_for_as_often_however_many_they_are(tmp_path, monkeypatch):
    """It is made anew each time, in a time that grows with the columns: 50,000 of them took hours."""
    asked, schema = [], pyarrow.parquet.ParquetFile.schema_arrow
    found = property(lambda self: asked.append(1) or schema.__get__(self))
    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "schema_arrow", found)
    times = []
    for width in (3, 300):
        pandas.DataFrame(np.ones((2, width))).rename(columns=str).to_parquet(tmp_path / "t.parquet")
        asked.clear()
        assert len(parquet.ParquetTable(tmp_path / "t.parquet").columns) == width
        times.append(len(asked))
    assert times[0] == times[1]


def test_a_text_is_held_once(tmp_path):
    found = parquet.read(shared(tmp_path / "t.parquet", "x" * 1000, 50))["t"]
    assert found.iloc[0] == "x" * 1000
    assert all(cell is found.iloc[0] for cell in found)


@pytest.mark.parametrize("read", [parquet.read, lambda file: parquet.ParquetTable(file)[0:50]], ids=["whole", "part"])
def test_texts_far_longer_than_the_file_are_refused(read, tmp_path, monkeypatch):
    file = shared(tmp_path / "t.parquet", "x" * 10_000, 50)
    monkeypatch.setattr(parquet, "memory", lambda: 8 * 499_999)
    with pytest.raises(ValueError, match="the texts of its cells take 500,000 bytes, expected 499,999 at most, by its"):
        read(file)
    monkeypatch.setattr(parquet, "memory", lambda: 8 * 500_000)
    assert len(read(file)) == 50


def test_texts_far_longer_than_the_file_are_refused_whatever_memory_there_is(tmp_path, monkeypatch):
    file = shared(tmp_path / "t.parquet", "x" * 10_000, 2000)
    monkeypatch.setattr(parquet, "memory", lambda: 1 << 40)
    size = file.stat().st_size
    assert 2000 * size > 20_000_000
    assert len(parquet.read(file)) == 2000
    monkeypatch.setattr(parquet, "EXPANDED", 20_000_000 // size)
    assert len(parquet.read(file)) == 2000  # so many are little
    monkeypatch.setattr(parquet, "LITTLE", 1000)
    with pytest.raises(
        ValueError, match="take 20,000,000 bytes, expected 19,.* at most, by its length and this machine's memory"
    ):
        parquet.read(file)


def test_texts_that_are_all_stored_are_read_however_long(tmp_path, monkeypatch):
    pandas.DataFrame({"t": [f"{i:06}" for i in range(1000)]}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "memory", lambda: 8)
    assert len(parquet.read(tmp_path / "t.parquet")) == 1000


def test_the_refusal_names_the_file(tmp_path, monkeypatch):
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
    monkeypatch.setattr("vade_tf.machine.memory", lambda: 4_000_000)
    with pytest.raises(ValueError, match="t.parquet needs"):
        parquet.read(tmp_path / "t.parquet")


@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "large_binary", "string_view", "binary_view"])
def test_texts_of_every_type_are_held_once(tmp_path, monkeypatch, kind):
    if not hasattr(pyarrow, kind):
        pytest.skip("this pyarrow has no such type")
    text = "x" * 10_000 if "string" in kind else b"x" * 10_000
    table = pyarrow.table({"t": pyarrow.array([text] * 50, getattr(pyarrow, kind)())})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "memory", lambda: 8 * 499_999)
    with pytest.raises(ValueError, match="the texts of its cells take 500,000 bytes"):
        parquet.read(tmp_path / "t.parquet")


def test_bytes_of_one_length_count_with_it(tmp_path, monkeypatch):
    table = pyarrow.table({"t": pyarrow.array([b"x" * 10_000] * 300, pyarrow.binary(10_000))})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr("vade_tf.machine.memory", lambda: 2_000_000)
    with pytest.raises(ValueError, match="t.parquet needs"):
        parquet.read(tmp_path / "t.parquet")


def test_a_name_with_a_dot_has_a_size(tmp_path, monkeypatch):
    pandas.DataFrame({"a.b": np.random.default_rng(0).random(5000), "a": 0}).to_parquet(tmp_path / "t.parquet")
    asked = []
    monkeypatch.setattr(parquet, "check_memory", lambda size, name: asked.append(size))
    parquet.read(tmp_path / "t.parquet", ["a.b"])
    assert asked[0] >= 8 * 5000


def test_of_wide_tables_fewer_rows_are_read_together(tmp_path, monkeypatch):
    pandas.DataFrame(np.zeros((50, 100)), columns=[f"x{i}" for i in range(100)]).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("vade_tf.machine.TOGETHER", 1000)
    sizes, own = [], pyarrow.parquet.ParquetFile.iter_batches

    def spy(self, batch, **more):
        sizes.append(batch)
        return own(self, batch, **more)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", spy)
    assert parquet.ParquetTable(tmp_path / "t.parquet")[0:50].shape == (50, 100)
    assert sizes == [10]


def test_texts_are_plain_where_columns_were_numbered(tmp_path):
    pandas.DataFrame({0: ["6", "?", "7"], 1: ["a", "b", None]}).loc[[2, 0, 1]].to_parquet(tmp_path / "t.parquet")
    found = parquet.read(tmp_path / "t.parquet")
    assert {str(kind) for kind in found.dtypes} == {"object"}
    assert found.iloc[:, 0].tolist() == ["7", "6", "?"]


NAMES = {
    "levels": pandas.MultiIndex.from_product([["a", "b"], ["mean", "std"]]),
    "categories": pandas.CategoricalIndex(list("abcd")),
    "periods": pandas.period_range("2020-01", periods=4, freq="M"),
    "spans": pandas.to_timedelta([1, 2, 3, 4], unit="s"),
    "days": pandas.date_range("2020-01-01", periods=4),
    "numbers": pandas.Index([3, 1, 2, 0]),
}


@pytest.mark.parametrize("kind", NAMES)
def test_columns_of_any_names_are_asked_for_by_those_that_are_stored(tmp_path, rng, kind):
    frame = pandas.DataFrame(rng.normal(size=(60, 4)), columns=NAMES[kind])
    frame.rename_axis("at").to_parquet(tmp_path / "t.parquet")
    names = pyarrow.parquet.read_schema(tmp_path / "t.parquet").names[:4]
    data = load_file(str(tmp_path / "t.parquet"), drop=f'"{names[1]}"', labels=names[2])
    assert [str(column.name) for column in data.schema.columns] == [names[0], names[3]] == data.schema.features
    np.testing.assert_array_equal(data.x, frame.iloc[:, [0, 3]].astype("f4"))
    assert data.schema.dropped["at"] == "an index of pandas"


def test_lists_and_records_are_left_out_and_named(tmp_path):
    """A text that all of them have is stored once, and would be read as often as there are rows."""
    record = pyarrow.array([{"a": "x"}] * 4)
    table = pyarrow.table({"n": [1.0, 2.0, 3.0, 4.0], "list": [["x"]] * 4, "record": record, "t": ["a"] * 4})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    for read in (parquet.read, lambda file, *names: parquet.ParquetTable(file, *names)[0:4]):
        assert list(read(tmp_path / "t.parquet")) == ["n", "t"]
        assert list(read(tmp_path / "t.parquet", ["n"])) == ["n"]
        with pytest.raises(ValueError, match="list holds lists or records, which are no cells"):
            read(tmp_path / "t.parquet", ["n", "list"])
    for in_file in (False, True):
        found = load_file(str(tmp_path / "t.parquet"), drop="list,t", in_file=in_file)
        assert found.schema.features == ["n"]
        assert found.schema.dropped == {"list": "as asked", "t": "as asked", "record": "it holds lists or records"}
        with pytest.raises(InputError, match="columns: 'list' of .* holds lists or records, which are no cells"):
            load_file(str(tmp_path / "t.parquet"), columns="n,list", in_file=in_file)


@pytest.mark.parametrize("in_file", [False, True])
def test_a_table_of_lists_alone_is_told_how_to_be_rows(tmp_path, rng, in_file):
    """Vectors of texts, say; to be saved as numpy.stack(table['emb'])."""
    codes = rng.normal(size=(60, 8))
    pandas.DataFrame({"emb": list(codes), "id": range(60)}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        InputError, match=r"got lists or records in emb, .* numpy.save\('x.npy', numpy.stack\(table\['emb'\]\)\)"
    ):
        load_file(str(tmp_path / "t.parquet"), id="id", in_file=in_file)
    pandas.DataFrame({"key": [f"a{i}" for i in range(60)], "emb": list(codes)}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"got lists or records in emb, .* numpy.stack\(table\['emb'\]\)\)"):
        load_file(str(tmp_path / "t.parquet"), in_file=in_file)  # names of rows are no columns to cluster by
    np.save(tmp_path / "x.npy", np.stack(pandas.read_parquet(tmp_path / "t.parquet")["emb"]))
    np.testing.assert_allclose(load_file(str(tmp_path / "x.npy")).x, codes, rtol=1e-6)


def test_texts_of_a_type_that_somebody_added_are_left_out(tmp_path):
    """They would be written out for every cell."""
    texts = pyarrow.ExtensionArray.from_storage(pyarrow.json_(pyarrow.string()), pyarrow.array(['"x"'] * 4))
    pyarrow.parquet.write_table(pyarrow.table({"n": [1.0, 2.0, 3.0, 4.0], "t": texts}), tmp_path / "t.parquet")
    assert list(parquet.read(tmp_path / "t.parquet")) == ["n"]


def test_cells_that_become_objects_of_python_take_what_these_take(tmp_path, monkeypatch):
    cells = [Decimal(i) / 4 for i in range(1000)]
    monkeypatch.setattr("vade_tf.machine.memory", lambda: sum(map(sys.getsizeof, cells)))
    pyarrow.parquet.write_table(pyarrow.table({"x": cells}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="t.parquet needs"):
        parquet.read(tmp_path / "t.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"x": list(map(float, cells))}), tmp_path / "t.parquet")
    assert parquet.read(tmp_path / "t.parquet")["x"].tolist() == cells


def test_cells_that_were_not_looked_at_are_told_each_time_their_copy_is_used(tmp_path, monkeypatch):
    frame = pandas.DataFrame(
        {"c": np.random.default_rng(0).choice(list("xyz"), 900), "n": np.arange(900) ** 2 % 17 / 4}
    )
    frame.loc[[5, 500, 899]] = None
    frame.loc[13, "c"] = "rare"
    frame.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    for module, name, value in ((converted, "SAMPLE", 100), (converted, "BLOCK", 128), (table_files, "memory", int)):
        monkeypatch.setattr(module, name, value)
    first, again = (load_file(str(tmp_path / "t.parquet")).notice for _ in range(2))
    assert first == again
    assert "'rare': taken as missing" in first
    assert "rows without one known cell: 3; " in first
    (copy,) = (tmp_path / "cache").rglob("*.npy")
    copy.unlink()  # by hand
    assert load_file(str(tmp_path / "t.parquet")).notice == first


@pytest.mark.parametrize("in_file", [False, True])
def test_without_pyarrow_it_is_said_what_brings_it(tmp_path, monkeypatch, in_file):
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("parquet", "converted"):
        monkeypatch.delitem(sys.modules, f"vade_tf.data.{name}")
        monkeypatch.delattr(vade_tf.data, name)
    with pytest.raises(InputError, match=r"^data: \.parquet needs pyarrow; pip install 'vade-tf\[files\]' brings it$"):
        load_file(str(tmp_path / "t.parquet"), in_file=in_file)


@pytest.mark.parametrize("ending", ["npy", "json"])
def test_a_copy_of_which_a_file_is_missing_is_made_anew(tmp_path, monkeypatch, ending):
    pandas.DataFrame({"a": np.arange(60) ** 2 / 7, "b": np.arange(60) % 7 / 3}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    schema = Schema.infer(pandas.read_parquet(tmp_path / "t.parquet"))
    first = converted.converted(tmp_path / "t.parquet", schema)[0]
    expected = first[:]
    first.file.with_suffix(f".{ending}").unlink()
    np.testing.assert_array_equal(converted.converted(tmp_path / "t.parquet", schema)[0][:], expected)


@pytest.mark.parametrize("n", [1, 99, 100, 101, 150, 199, 201])
def test_a_hundred_rows_at_most_are_looked_at_from_the_first_to_the_end(tmp_path, monkeypatch, n):
    pandas.DataFrame({"a": np.arange(n) / 7}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(converted, "SAMPLE", 100)
    seen = converted.sampled(tmp_path / "t.parquet")
    assert min(n, 50) <= len(seen) <= 100
    assert seen.index[0] == 0
    assert seen.index[-1] >= n - seen.index.step
    np.testing.assert_array_equal(seen["a"], seen.index.to_numpy() / 7)


def test_a_column_of_which_no_missing_cells_are_counted_may_lack_some():
    def column(name, counted):
        return SimpleNamespace(path_in_schema=name, statistics=counted and SimpleNamespace(null_count=counted[0]))

    columns = [column("none", (0,)), column("some", (3,)), column("not counted", (None,)), column("unknown", None)]
    group = SimpleNamespace(num_rows=5, num_columns=4, column=lambda j: columns[j])
    found = parquet._columns_with_holes(SimpleNamespace(num_row_groups=1, row_group=lambda i: group))
    assert found == {"some", "not counted", "unknown"}


@pytest.mark.parametrize("names", [["a", "b"], [0, 1], [2020, 1999], ["0", "1"]], ids=str)
def test_columns_are_called_as_pandas_calls_them(tmp_path, names):
    """By numbers, or by texts that look like some."""
    pandas.DataFrame([[1.5, "x"], [2.5, "y"]], columns=names).to_parquet(tmp_path / "t.parquet")
    assert list(parquet.read(tmp_path / "t.parquet")) == list(pandas.read_parquet(tmp_path / "t.parquet")) == names


@pytest.mark.parametrize("read", [parquet.read, parquet.ParquetTable], ids=["whole", "part"])
@pytest.mark.parametrize("kind", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_that_cannot_be_held_once_are_refused_by_their_column(tmp_path, kind, read):
    """Two thousand texts of a megabyte are 414 bytes so, and pyarrow would make gigabytes of them."""
    table = pyarrow.table({"n": [1.5, 2.5], "t": ["a", "b"], "u": ["c", "d"]})
    packed = {"n": "PLAIN", "t": "PLAIN", "u": kind}
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", use_dictionary=False, column_encoding=packed)
    with pytest.raises(ValueError, match=f"texts of 'u' are packed as {kind}, which is not read; write the file again"):
        read(tmp_path / "t.parquet")
    assert len(read(tmp_path / "t.parquet", ["n", "t"])) == 2
    levels = table.set_column(2, "u", table["u"].dictionary_encode())  # as categories of pandas
    pyarrow.parquet.write_table(levels, tmp_path / "t.parquet", use_dictionary=False, column_encoding=packed)
    with pytest.raises(ValueError, match=f"texts of 'u' are packed as {kind}"):
        read(tmp_path / "t.parquet")
