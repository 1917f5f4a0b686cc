"""HDF5 files made to harm: they lead elsewhere, or claim far more than they hold. Nothing outside them is read."""

import os
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import scipy.sparse

from vade_tf import hdf5
from vade_tf.data.arrays import _made_different, read_h5, read_h5_names
from vade_tf.data.files import load_file
from vade_tf.errors import InputError

X = np.arange(18, dtype=np.float32).reshape(6, 3)


def shared_texts(file: h5py.File, name: str, n: int = 300) -> None:
    """Texts that all are the first one, which is stored once."""
    texts = file.create_dataset(name, data=["y" * 9_999] + ["z"] * (n - 1), dtype=h5py.string_dtype())
    place = texts.id.get_offset()
    path = Path(file.filename)
    file.close()
    with path.open("r+b") as stream:
        stream.seek(place)
        first = stream.read(16)
        stream.seek(place)
        stream.write(first * n)


def sparse(file: h5py.File, shape, kind: str = "csr_matrix", **changes) -> None:
    group = file.create_group("x")
    group.attrs["shape"], group.attrs["encoding-type"] = shape, kind
    parts = {"data": np.ones(1, "f4"), "indices": np.zeros(1, "i4"), "indptr": np.array([0, 1, 1, 1], "i4")}
    for name, values in {**parts, **changes}.items():
        group[name] = values


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((6, 3), "f4")
    layout[:] = h5py.VirtualSource("pipe", "x", (6, 3))
    file.create_virtual_dataset("x", layout)


def below(file: h5py.File) -> None:
    """A link out of a group that is not read."""
    file["x"] = X
    file.create_group("more").create_group("still")["y"] = h5py.ExternalLink("pipe", "x")


OUTSIDE = {
    "a link": lambda file: file.__setitem__("x", h5py.ExternalLink("pipe", "x")),
    "a link far below": below,
    "values in another file": lambda file: file.create_dataset("x", (6, 3), "f4", external=[("pipe", 0, 72)]),
    "a virtual array": virtual,
}
BOASTFUL = {
    "nothing stored": lambda file: file.create_dataset("x", (3_000_000, 100), "f4", chunks=(1000, 100)),
    "texts for numbers": lambda file: file.create_dataset("x", data=["a", "b"], dtype=h5py.string_dtype()),
    "empty rows": lambda file: sparse(file, (200_000_000, 3), "csc_matrix"),
    "nothing stored of an indptr": lambda file: file.create_dataset("x/indptr", (200_000_000,), "i8", chunks=(99,)),
}


@pytest.mark.parametrize("make", OUTSIDE.values(), ids=OUTSIDE.keys())
@pytest.mark.parametrize("name", ["a.h5", "a.h5ad"])
def test_what_is_elsewhere_is_not_read(name, make, tmp_path, monkeypatch):
    if name == "a.h5ad":
        pytest.importorskip("anndata")
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with h5py.File(name, "w") as file:
        make(file)
    with pytest.raises(InputError, match=r"data: a.h5.* (is a link to another file|are in another file)"):
        load_file(name)


@pytest.mark.parametrize("make", BOASTFUL.values(), ids=BOASTFUL.keys())
def test_what_claims_far_more_than_it_holds_is_refused(make, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if make is BOASTFUL["nothing stored of an indptr"]:
            file["x/data"], file["x/indices"] = np.ones(1, "f4"), np.zeros(1, "i4")
        make(file)
    with pytest.raises(ValueError, match="and has 0|are stored|save plain numbers"):
        read_h5(tmp_path / "a.h5", None)


def test_an_array_of_cells_of_which_nothing_is_stored_is_refused(tmp_path):
    pytest.importorskip("anndata")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_dataset("X", (3_000_000, 100), "f4", chunks=(1000, 100))
    with pytest.raises(InputError, match="X claims 1,200,000,000 bytes and has 0"):
        load_file(str(tmp_path / "a.h5ad"))


def test_texts_take_no_more_than_the_file_is_long(tmp_path):
    for name, read in (("y", lambda file: read_h5(file, None)), ("genes", read_h5_names)):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = X
            shared_texts(file, name)
        with pytest.raises(ValueError, match=f"the texts of {name} are longer than the file"):
            read(tmp_path / "a.h5")


def test_texts_of_cells_take_no_more_than_the_file_is_long(tmp_path):
    pytest.importorskip("anndata")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = X
        shared_texts(file, "names")
    with pytest.raises(InputError, match="the texts of names are longer than the file"):
        load_file(str(tmp_path / "a.h5ad"))


def lists(file):
    file.create_dataset("what", (3,), h5py.vlen_dtype("u1"))


def records(file):
    """Each text of which is the first, stored once."""
    kind = np.dtype([("n", "i4"), ("t", h5py.string_dtype())])
    file.create_dataset("what", data=np.array([(i, "z" if i else "y" * 9_999) for i in range(300)], kind))
    place, path = file["what"].id.get_offset(), Path(file.filename)
    file.close()
    with path.open("r+b") as stream:
        stream.seek(place)
        first = stream.read(20)
        stream.seek(place)
        stream.write(first * 300)


def single_texts(file):
    """Texts that stand alone, each of which is the first."""
    path, places = Path(file.filename), []
    for number in range(300):
        text = file.create_dataset(f"what{number}", data="y" * 9_999 if not number else "z", dtype=h5py.string_dtype())
        places.append(text.id.get_offset())
    file.close()
    with path.open("r+b") as stream:
        stream.seek(places[0])
        first = stream.read(16)
        for place in places:
            stream.seek(place)
            stream.write(first)


def attributes(file):
    file.create_group("what").attrs["encoding-type"] = ["dict"] * 3


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lists, "what holds lists or objects"),
        (records, "the texts of what are longer than the file"),
        (single_texts, "the texts of what.* and others are longer than the file"),
        (attributes, "encoding-type of what is a list of texts"),
        (lambda file: file.attrs.update({"encoding-type": ["anndata"] * 3}), "encoding-type of / is a list of texts"),
    ],
)
def test_what_is_stored_once_and_read_often_is_refused(tmp_path, write, words):
    pytest.importorskip("anndata")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = X
        write(file)
    with pytest.raises(InputError, match=words):
        load_file(str(tmp_path / "a.h5ad"))


def test_records_of_texts_as_scanpy_writes_them_are_read(tmp_path):
    anndata = pytest.importorskip("anndata")
    cells = anndata.AnnData(np.arange(60, dtype="f4").reshape(20, 3))
    kind = [("T cells", object), ("B cells", object)]
    cells.uns["rank_genes_groups"] = {"names": np.array([("CD3", "CD19"), ("CD4", "CD20")], kind)}
    cells.uns["title"], cells.uns["colours"] = "one text", np.array(["red", "blue"], object)
    cells.obs["kind"] = ["a", "b"] * 10
    cells.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        file["uns"].attrs["assay.used"] = ["RNA", "ATAC"]  # as other programs note
    assert load_file(str(tmp_path / "a.h5ad")).x.shape == (20, 3)


def test_honest_files_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("vade_tf.hdf5.TEXTS", (2, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("inside")["rows"] = X
        file["x"], file["y"] = h5py.SoftLink("/inside/rows"), list("abcabc")
        file["genes"] = ["one", "two", "three"]
    x, y = read_h5(tmp_path / "a.h5", None)
    np.testing.assert_array_equal(x, X)
    assert (y.tolist(), read_h5_names(tmp_path / "a.h5")) == (list("abcabc"), (["one", "two", "three"], None))
    with h5py.File(tmp_path / "zeros.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((2000, 500), "f4"), compression="gzip", compression_opts=9)
    assert read_h5(tmp_path / "zeros.h5", None)[0].shape == (2000, 500)
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        sparse(file, (2, 3), "csc_matrix")
    assert read_h5(tmp_path / "sparse.h5", None)[0].toarray().tolist() == [[1, 0, 0], [0, 0, 0]]


def nested(file, link):
    """Groups within groups, each under several names: who reads by names reads the innermost 3^6 times."""
    group = file.create_group("uns")
    for _ in range(6):
        inner = group.create_group("a")
        for name in "bc":
            group[name] = inner if link is None else link(inner.name)
        group = inner
    group["x"] = X


def boastful(file):
    """A thousand arrays of which nothing is stored, none of them too large alone."""
    for i in range(1000):
        file.create_dataset(f"uns/{i}", (8_000_000,), "f8", chunks=(1_000_000,))


def circle(file):
    file.create_group("uns")["a"] = file["/"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: nested(file, None), "is there under several names"),
        (lambda file: nested(file, h5py.SoftLink), "is there under several names"),
        (circle, "is there under several names"),
        (boastful, "claims 64,000,000,000 bytes"),
    ],
)
def test_cells_are_not_read_where_they_would_be_without_end(tmp_path, monkeypatch, make, words):
    anndata = pytest.importorskip("anndata")
    monkeypatch.setattr(anndata, "read_h5ad", lambda *_, **__: pytest.fail("it was read"))
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        make(file)
    with pytest.raises(InputError, match=words):
        load_file(str(tmp_path / "a.h5ad"))


def test_texts_that_lie_in_a_table_or_in_many_arrays_take_no_more_either(tmp_path):
    pytest.importorskip("anndata")
    with h5py.File(tmp_path / "wide.h5ad", "w") as file:
        file["X"] = X
        file.create_dataset("names", data=np.full((1, 5000), "y", object), dtype=h5py.string_dtype())
    with pytest.raises(InputError, match="names holds texts in rows of 5,000, expected a list of them"):
        load_file(str(tmp_path / "wide.h5ad"))
    with h5py.File(tmp_path / "many.h5ad", "w") as file:
        file["X"] = X
        for number in range(40):
            file.create_dataset(f"names{number}", data=["y" * 9_999], dtype=h5py.string_dtype())
    with hdf5.opened(tmp_path / "many.h5ad") as stored:
        most, total = stored.id.get_filesize(), 0
        for number in range(40):
            total = hdf5.check_texts(stored[f"names{number}"], "names", total)
        assert total == 40 * 9_999
        with pytest.raises(ValueError, match="longer than the file"):
            hdf5.check_texts(stored["names0"], "names", most)


@pytest.mark.parametrize(
    ("place", "names", "ids"),
    [("matrix", "features/name", "features/id"), ("GRCh38", "gene_names", "genes"), ("mm10", "genes", "ids")],
    ids=["version 3", "version 2", "without gene_names"],
)
def test_the_matrix_of_cell_ranger_is_cells_by_genes(tmp_path, place, names, ids):
    """Genes by cells, packed by cell; square, too, where nothing else would tell."""
    for n in (4, 3):
        counts = np.random.default_rng(0).poisson(0.5, (n, 3))
        packed = scipy.sparse.csc_array(counts.T)
        with h5py.File(tmp_path / f"{n}.h5", "w") as file:
            group = file.create_group(place)
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(packed, name)
            group["shape"], group["barcodes"] = (3, n), np.array([f"AAC-{i}" for i in range(n)], "S")
            group[names] = np.array(["TP53", "MATR3", "MATR3"], "S")
            group[ids] = np.array(["E1", "E2", "E3"], "S")
        found = load_file(str(tmp_path / f"{n}.h5"))
        np.testing.assert_array_equal(np.asarray(found.x), counts)
        assert found.schema.names == ("TP53", "MATR3", "MATR3-1")
        assert found.ids.tolist() == [f"AAC-{i}" for i in range(n)]
        kept = load_file(str(tmp_path / f"{n}.h5"), most_genes=2)
        np.testing.assert_array_equal(
            np.asarray(kept.x), counts[:, [found.schema.names.index(name) for name in kept.schema.names]]
        )
        with pytest.raises(InputError, match=r"^layer: goes with an \.h5ad file, got .*; leave it out$"):
            load_file(str(tmp_path / f"{n}.h5"), layer="counts")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("aba", ["a", "b", "a-1"]),
        (["a", "a", "a-1", "a"], ["a", "a-2", "a-1", "a-3"]),
        (["a-1", "a-1"], ["a-1", "a-1-1"]),
    ],
)
def test_names_that_come_again_get_a_number_that_no_other_has(names, expected):
    assert _made_different(list(names)) == expected
    anndata = pytest.importorskip("anndata")
    index = anndata.utils.make_index_unique(pandas.Index(list(names)))
    assert list(index) == expected


def test_texts_of_any_length_may_be_packed(tmp_path):
    """As anndata writes the names of cells and genes."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        texts = [f"cell {i}" for i in range(3000)]
        file.create_dataset("names", data=texts, dtype=h5py.string_dtype(), compression="gzip", chunks=(700,))
    with h5py.File(tmp_path / "x.h5") as file:
        assert hdf5.values(file["names"], "names")[2999] == b"cell 2999"


@pytest.mark.parametrize("pack", [None, "gzip"])
def test_a_large_array_that_is_stored_is_read(tmp_path, monkeypatch, pack):
    """Packed, zeros take a thousandth of their length."""
    monkeypatch.setattr(hdf5, "LITTLE", 1000)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((500, 400), "f4"), compression=pack)
    with h5py.File(tmp_path / "x.h5") as file:
        assert hdf5.numbers(file["x"], "x").shape == (500, 400)


def test_texts_side_by_side_may_be_packed(tmp_path):
    """As anndata writes the marker genes of several groups."""
    kind = np.dtype([("0", h5py.string_dtype()), ("1", h5py.string_dtype()), ("n", "f4")])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        rows = np.array([(f"gene {i}", f"other {i}", i) for i in range(2000)], kind)
        file.create_dataset("names", data=rows, compression="gzip")
    with h5py.File(tmp_path / "x.h5") as file:
        hdf5.check_size(file["names"], "names")
