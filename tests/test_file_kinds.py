"""Files that are no tables into rows: arrays, HDF5, cells, images, texts; new rows are coded alike."""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import scipy.sparse
from PIL import Image
from small_tables import written

from vade_tf.data import tables
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.pictures import Pictures
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("X", "Y")])
def test_arrays_of_several_names(tmp_path, names, rng):
    x, y = rng.normal(size=(20, 3)).astype("f4"), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", **dict(zip(names, (x, y), strict=True)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in zip(names, (x, y), strict=True):
            file[name] = array
    for name in ("a.npz", "a.h5"):
        data = load_file(str(tmp_path / name))
        np.testing.assert_array_equal(data.x, x)
        np.testing.assert_array_equal(data.y, y)
    with pytest.raises(InputError, match=r"expected one of the arrays .* got .z"):
        load_file(str(tmp_path / "a.h5"), "z")
    with pytest.raises(InputError, match="columns: goes with a table"):
        load_file(str(tmp_path / "a.h5"), columns="a")


def test_text_labels_of_hdf5_and_one_that_claims_too_much(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["Y"] = np.eye(4), np.array([b"T", b"B", b"T", b"B"], dtype=object)
    np.testing.assert_array_equal(load_file(str(tmp_path / "a.h5")).y, [1, 0, 1, 0])
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"] = np.eye(2)
        file.create_dataset("Y", data=["Müller glia", "γδ T"], dtype=h5py.string_dtype())
    np.testing.assert_array_equal(load_file(str(tmp_path / "d.h5")).y, [0, 1])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("X", (1 << 40, 1 << 10), "f4", chunks=True)
    with pytest.raises(InputError, match=r"data: .*b.h5 cannot be read as .h5 \(x needs|X needs"):
        load_file(str(tmp_path / "b.h5"))
    (tmp_path / "c.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match=r"data: .*c.h5"):
        load_file(str(tmp_path / "c.h5"))


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_annotated_data(tmp_path, form):
    anndata = pytest.importorskip("anndata")
    x = np.where(np.arange(60).reshape(12, 5) % 3, 0.0, np.arange(60).reshape(12, 5)).astype("f4")
    about = pandas.DataFrame({"kind": ["T", "B"] * 6}, index=[f"cell {i}" for i in range(12)])
    anndata.AnnData(form(x), obs=about).write_h5ad(tmp_path / "a.h5ad")
    data = load_file(str(tmp_path / "a.h5ad"), "kind")
    np.testing.assert_array_equal(np.asarray(data.x), x)
    assert isinstance(data.x, SparseRows) == (form is scipy.sparse.csr_matrix)
    np.testing.assert_array_equal(data.y, [1, 0] * 6)
    assert data.ids.tolist() == list(about.index)
    with pytest.raises(InputError, match="labels: expected one of the columns"):
        load_file(str(tmp_path / "a.h5ad"), "type")


def test_a_folder_of_grey_images(tmp_path, rng):
    images = rng.integers(0, 256, (5, 6, 4)).astype("u1")
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{9 - i}.png")
    (tmp_path / "notes.txt").write_text("no image")
    data = load_file(str(tmp_path))
    np.testing.assert_array_equal(data.x, images[::-1].reshape(5, 24))
    assert (data.x.dtype, data.image_shape, data.has_holes) == (np.uint8, (6, 4), False)
    assert data.ids.tolist() == ["5.png", "6.png", "7.png", "8.png", "9.png"]
    assert data.notice == "grey images of 6 x 4 pixels; files of other kinds were left out: .txt"
    assert len(data.schema.features) == sum(width for _, width in data.schema.blocks) == 24


def test_images_of_colour_and_grey_ones_stored_as_colour(tmp_path, rng):
    grey = rng.integers(0, 256, (4, 5, 5)).astype("u1")
    for name, more in (("grey", 0), ("colour", 1)):
        (tmp_path / name).mkdir()
        for i, image in enumerate(grey):
            colours = np.stack([image, image, image // (1 + more)], axis=-1)
            Image.fromarray(colours).save(tmp_path / name / f"{i}.png")
    np.testing.assert_array_equal(load_file(str(tmp_path / "grey")).x, grey.reshape(4, 25))
    data = load_file(str(tmp_path / "colour"))
    assert (data.x.shape, data.image_shape) == ((4, 75), (5, 5, 3))
    assert data.notice == "colour images of 5 x 5 pixels"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_drawn_in_transparency_is_seen_on_white(tmp_path, mode):
    """Every colour is black, and what is drawn is where the image is not transparent."""
    drawn = np.zeros((4, 6), "u1")
    drawn[1:3, 2:5] = 255
    for i in range(2):
        if mode == "P":
            image = Image.fromarray((drawn > 0).astype("u1")).convert("P")
            image.putpalette([0, 0, 0] * 2)
            image.save(tmp_path / f"{i}.png", transparency=0)
        else:
            image = Image.new(mode, (6, 4))
            image.putalpha(Image.fromarray(drawn))
            image.save(tmp_path / f"{i}.png")
    np.testing.assert_array_equal(load_file(str(tmp_path)).x, np.tile(255 - drawn.reshape(1, -1), (2, 1)))


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_images_are_read_as_they_are_seen(tmp_path, ending):
    """A camera that was held upright stores the image on its side, and how it was held."""
    from PIL import Image

    upright = np.full((12, 8), 40, "u1")
    upright[:4] = 220
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    for i in range(3):
        Image.fromarray(np.rot90(upright)).save(tmp_path / f"{i}.{ending}", exif=exif)
    data = load_file(str(tmp_path))
    assert data.image_shape == (12, 8)
    np.testing.assert_allclose(data.x.reshape(3, 12, 8).astype(float), np.repeat(upright[None], 3, 0), atol=25)


def test_images_may_lie_in_a_folder_of_their_label(tmp_path):
    for i, place in enumerate(["cat/1.png", "cat/old/2.png", "ant/1.png"]):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), i).save(tmp_path / place)
    data = load_file(str(tmp_path), "folders")
    assert dict(zip(data.ids.tolist(), data.y.tolist(), strict=True)) == {
        "ant/1.png": 0,
        "cat/1.png": 1,
        "cat/old/2.png": 1,
    }
    assert load_file(str(tmp_path)).y is None
    Image.new("L", (4, 4)).save(tmp_path / "loose.png")
    with pytest.raises(InputError, match="labels: expected every image in a folder of its label, got 'loose.png' in "):
        load_file(str(tmp_path), "folders")


def test_images_of_several_sizes_are_brought_to_one_and_new_ones_too(tmp_path):
    for i, size in enumerate([(8, 6), (8, 6), (10, 6), (16, 12)]):
        Image.new("L", size, 40 * i).save(tmp_path / f"{i}.png")
    data = load_file(str(tmp_path))
    assert data.image_shape == (6, 9)
    assert "4 of another size were brought to 6 x 9" in data.notice
    np.testing.assert_array_equal(data.x.min(axis=1), [0, 40, 80, 120])
    new = tmp_path / "new"
    new.mkdir()
    Image.new("RGB", (30, 30), (9, 9, 9)).save(new / "a.jpg")
    again = load_file(str(new), schema=coded(json.loads(json.dumps(data.schema.to_dict()))))
    assert again.x.shape == (1, 54)
    np.testing.assert_array_equal(again.x, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_utf_8_is_printable(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    assert load_file(str(tmp_path)).ids.tolist() == ["caf\\xe9.png"]


def test_folders_that_hold_no_images_or_damaged_ones_are_named(tmp_path):
    with pytest.raises(InputError, match=r"data: expected images \(.png, .*\) in .*, found none"):
        load_file(str(tmp_path))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"data: .*b.png cannot be read as an image"):
        load_file(str(tmp_path))
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n%%EOF\n"  # one to draw an image, not one
    for content in (b"no image", program):
        (tmp_path / "b.png").write_bytes(content)
        with pytest.raises(InputError, match=r"data: .*b.png cannot be read as an image \(cannot identify image file"):
            load_file(str(tmp_path))


SAYINGS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


def test_a_column_of_texts_becomes_weighted_words(tmp_path):
    text = "kind\tsaying\n" + "".join(f"{i % 2}\t{saying}\n" for i, saying in enumerate(SAYINGS))
    data = load_file(written(tmp_path, text, "t.tsv"), "kind", text="saying")
    words = {"cat", "purrs", "dog", "barks", "number0", "number1", "number2", "number3"}
    assert set(data.schema.features) == words  # what all texts have, or one alone, tells none apart
    assert isinstance(data.x, SparseRows)
    dense = np.asarray(data.x)
    np.testing.assert_allclose((dense**2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal((dense > 0).sum(axis=1), 3)
    np.testing.assert_array_equal(data.y, [0, 1] * 10)
    again = coded(json.loads(json.dumps(data.schema.to_dict())))
    new = load_file(written(tmp_path, f'saying\n{SAYINGS[3]}\nnothing known\n""\n', "new.csv"), schema=again)
    np.testing.assert_allclose(np.asarray(new.x), [dense[3], 0 * dense[3], 0 * dense[3]], rtol=1e-6)


def test_new_texts_of_a_run_without_a_header_need_none_either(tmp_path):
    text = "".join(f"{'ham' if i % 2 else 'spam'}\t{saying}\n" for i, saying in enumerate(SAYINGS))
    first = load_file(written(tmp_path, text, "t.tsv"), text="column_1")
    new = written(tmp_path, f"other\t{SAYINGS[3]}\n", "new.tsv")
    found = load_file(new, schema=first.schema)
    np.testing.assert_allclose(np.asarray(found.x), np.asarray(first.x)[3:4], rtol=1e-6)
    assert tables.header(Path(new), ["column_0"]) == ["column_0", "column_1"]


def test_a_file_of_one_text_a_line(tmp_path):
    data = load_file(written(tmp_path, "\n".join(SAYINGS) + "\n\n", "t.txt"), text="lines")
    assert data.x.shape == (20, 8)
    words = "8 most frequent words that at least 2 and at most 50% of the texts have"
    assert data.notice.startswith(f"each line is a text: TF-IDF of its {words}")
    new = load_file(written(tmp_path, "the dog barks\n", "new.txt"), schema=data.schema)
    assert sorted(np.asarray(data.schema.features)[np.asarray(new.x)[0] > 0]) == ["barks", "dog"]
    with pytest.raises(InputError, match="text: expected texts that share words"):
        load_file(written(tmp_path, "one\ntwo\n", "few.txt"), text="lines")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"form": "program"},
        {"form": ["table"]},
        {"form": "texts", "column": "a", "words": ["a", "a"], "idf": [1.0, 1.0]},
        {"form": "texts", "column": "a", "words": ["a"], "idf": []},
        {"form": "texts", "column": "a", "words": ["a"], "idf": [float("inf")]},
        {"form": "texts", "column": 1, "words": ["a"], "idf": [1.0]},
        {"form": "pictures", "height": 1 << 20, "width": 1 << 20, "channels": 1},
        {"form": "pictures", "height": 0, "width": 4, "channels": 1},
        {"form": "pictures", "height": 4, "width": 4, "channels": 2},
        {"form": "pictures", "height": 4.5, "width": 4, "channels": 1},
        {"form": "pictures", "height": True, "width": 4, "channels": 1},
        {"form": "pictures", "height": 4, "width": 4, "channels": 3.0},
    ],
)
def test_damaged_schemas_are_refused(values):
    with pytest.raises(ValueError, match=r"expected|words"):
        coded(values)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_images_of_16_bits_are_on_one_scale_however_bright_each_is(tmp_path, ending):
    values = np.arange(12, dtype="u2").reshape(3, 4)
    for name, factor in (("a", 20), ("b", 5_900)):
        Image.fromarray(values * np.uint16(factor)).save(tmp_path / f"{name}.{ending}")
    x = load_file(str(tmp_path)).x.reshape(2, 3, 4)
    np.testing.assert_array_equal(x, np.stack([values * 20.0, values * 5_900.0]) // 257)


@pytest.mark.parametrize(
    ("kind", "factor", "white"),
    [
        ("f4", 1 / 11, None),
        ("f4", 20, 255),
        ("f4", 300, None),
        ("i4", 20, None),
        ("i4", 300, 65535),
        ("i4", 9_000, None),
    ],
)
def test_images_whose_white_is_not_known_are_refused(tmp_path, kind, factor, white):
    """Real numbers may go to 1, 255 or any other; those from 0 to 1 were black."""
    values = (np.arange(12).reshape(3, 4) * factor).astype(kind)
    Image.fromarray(np.zeros((3, 4), kind)).save(tmp_path / "a.tif")
    Image.fromarray(values).save(tmp_path / "b.tif")
    if white is None:
        with pytest.raises(InputError, match=r"^data: expected an image of 8 or 16 bits, .* in .*b.tif; save it"):
            load_file(str(tmp_path))
    else:
        x = load_file(str(tmp_path)).x.reshape(2, 3, 4)
        np.testing.assert_array_equal(x[1], values * (255 / white) // 1)


def test_the_parts_of_a_sparse_matrix_have_one_name_each(tmp_path):
    """SciPy reads `shape`, what is checked is `shape.npy`."""
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.coo_array(np.eye(10, 3, dtype="f4")))
    shape = io.BytesIO()
    np.save(shape, np.array([10_000_000, 3]))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("shape", shape.getvalue())
    with pytest.raises(InputError, match="two members are called 'shape'"):
        load_file(str(tmp_path / "a.npz"))


def test_an_empty_text_has_no_words(tmp_path):
    text = "saying,n\n" + "".join(f"{saying if i % 4 else ''},{i}\n" for i, saying in enumerate(SAYINGS))
    data = load_file(written(tmp_path, text), text="saying")
    assert not {"none", "nan"} & set(data.schema.features)
    assert not np.asarray(data.x)[::4].any()


@pytest.mark.parametrize("name", ["images", "cells.h5ad"])
@pytest.mark.parametrize("argument", ["columns", "drop", "id", "text"])
def test_of_what_has_no_columns_none_are_chosen(tmp_path, name, argument):
    (tmp_path / "images").mkdir()
    (tmp_path / "cells.h5ad").touch()
    with pytest.raises(InputError, match=f"^{argument}: goes with a table that has names of columns, got .*{name}"):
        load_file(str(tmp_path / name), **{argument: "a"})


def test_a_table_for_a_run_on_images_is_refused(tmp_path):
    file = written(tmp_path, "a,b\n" + "".join(f"{i * i},{i % 5}\n" for i in range(30)))
    with pytest.raises(InputError, match=r"^data: expected rows as in training \(grey images of 1 x 2 pixels\), got"):
        load_file(file, schema=Pictures(1, 2, 1))


@pytest.mark.parametrize("names", ["ab", "abcd"])
def test_each_feature_of_an_hdf5_file_has_a_name_where_some_have(tmp_path, names):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["genes"] = np.eye(3), list(names)
    with pytest.raises(InputError, match=f"^data: expected 3 names in genes of .*a.h5, got {len(names)}"):
        load_file(str(tmp_path / "a.h5"))


def test_texts_may_be_categories_of_a_parquet_file(tmp_path):
    frame = pandas.DataFrame({"saying": pandas.Categorical([*SAYINGS[1:], None]), "n": range(len(SAYINGS))})
    frame.to_parquet(tmp_path / "x.parquet")
    data = load_file(str(tmp_path / "x.parquet"), text="saying")
    assert len(data.x) == len(SAYINGS)
    assert not {"none", "nan"} & set(data.schema.features)


def test_labels_that_the_model_reads_as_well_are_both(tmp_path):
    """To score new rows by a column that they were clustered by is the caller's own decision."""
    file = tmp_path / "rows.csv"
    file.write_text("size,kind\n" + "".join(f"{i / 7},{'ab'[i % 2]}\n" for i in range(30)))
    trained = load_file(str(file))
    again = load_file(str(file), "kind", schema=trained.schema)
    np.testing.assert_array_equal(again.x, trained.x)
    assert again.y.tolist() == [0, 1] * 15


def test_columns_called_alike_are_told(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b,a\n" + "".join(f"{i},{i % 7},{i * i}\n" for i in range(30)))
    assert "columns called alike are told apart by their order: 'a' and 'a.1'" in load_file(str(file)).notice
    file.write_text(file.read_text().replace("a,b,a", "a,b,c"))
    assert "alike" not in load_file(str(file)).notice
