"""A column that stands beside the pixels of square images, as labels do, is named; without it these are images."""

import warnings

import numpy as np
import pandas
import pytest
import scipy.ndimage

from vade_tf.data.files import load_file
from vade_tf.data.observing import observe
from vade_tf.errors import UnitsWarning


@pytest.fixture(params=["black margins", "no margins"])
def pixels(rng, request):
    """Images of 12 x 12 pixels in rows: [80, 144]."""
    smooth = scipy.ndimage.gaussian_filter(rng.normal(size=(80, 12, 12)), (0, 1, 1), mode="constant")
    grey = np.round(255 * np.clip(0.5 + smooth, 0, 1))
    if request.param == "black margins":  # without their first pixel they still look like images
        grey[:, [0, 1, -2, -1]] = 0
        grey[:, :, [0, 1, -2, -1]] = 0
    return grey.reshape(80, 144)


LABELS = np.arange(80) % 5


def told(look):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        look()
    return [str(each.message) for each in found if each.category is UnitsWarning]


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.int64])
@pytest.mark.parametrize(
    ("place", "name", "without"), [(0, "0", slice(1, None)), (144, "144", slice(None, -1))], ids=["first", "last"]
)
def test_the_column_of_an_array_is_named_and_without_it_the_rows_are_images(pixels, kind, place, name, without):
    rows = np.insert(pixels, place, LABELS, axis=1).astype(kind)
    (said,) = told(lambda: observe(rows))
    written = "[:, 1:]" if place == 0 else "[:, :-1]"
    assert f"all columns but {name} look like grey images of 12 x 12 pixels" in said
    assert said.endswith(f"leave it out (x{written})")
    assert told(lambda: observe(rows[:, without])) == []
    assert observe(rows[:, without]).image_shape == (12, 12)


@pytest.mark.parametrize("labels", [LABELS, np.array(list("abcde"))[LABELS]], ids=["numbers", "texts"])
@pytest.mark.parametrize("place", [0, 144])
def test_the_column_of_a_table_is_named_however_its_labels_are_written(pixels, labels, place, tmp_path):
    frame = pandas.DataFrame(pixels.astype(int)).add_prefix("pixel")
    frame.insert(place, "kind of it", labels)
    (said,) = told(lambda: observe(frame))
    assert "all columns but 'kind of it' look like grey images of 12 x 12 pixels" in said
    assert "x.drop(columns='kind of it')" in said
    assert told(lambda: observe(frame.drop(columns="kind of it"))) == []
    frame.to_csv(tmp_path / "x.csv", index=False)
    (said,) = told(lambda: load_file(tmp_path / "x.csv"))
    assert "--labels 'kind of it', or --drop 'kind of it'" in said
    assert told(lambda: load_file(tmp_path / "x.csv", labels="kind of it")) == []


@pytest.mark.parametrize(("place", "written"), [(0, "[:, 1:]"), (144, "[:, :-1]")])
def test_a_constant_that_no_pixel_beside_it_has_is_the_column(pixels, place, written):
    (said,) = told(lambda: observe(np.insert(pixels, place, -1, axis=1)))
    assert said.endswith(f"leave it out (x{written})")


def test_names_may_be_numbers_and_long(pixels):
    rows = np.insert(pixels, 144, LABELS, axis=1)
    for names, name in (
        (range(145), "144"),
        (np.arange(145) / 2, "72.0"),
        ([f"{i:060}" for i in range(145)], f"{144:060}"),
    ):
        (said,) = told(lambda names=names: observe(pandas.DataFrame(rows, columns=list(names))))
        assert f"x.drop(columns={name if len(name) < 60 else repr(name)})" in said


def test_rows_that_stay_in_their_file_are_told_as_those_in_memory_are(pixels, tmp_path):
    np.save(tmp_path / "x.npy", np.insert(pixels, 0, LABELS, axis=1).astype("f4"))
    (said,) = told(lambda: observe(np.load(tmp_path / "x.npy", mmap_mode="r")))
    assert "all columns but 0 look like grey images" in said
    (said,) = told(lambda: load_file(tmp_path / "x.npy"))
    assert said.endswith("(save the file without it)")


def test_of_rows_that_are_said_to_be_none_or_look_like_none_nothing_is_told(pixels, rng):
    rows = np.insert(pixels, 0, LABELS, axis=1)
    assert told(lambda: observe(rows, image_shape=())) == []
    assert told(lambda: observe(pandas.DataFrame(rows), image_shape=())) == []
    assert told(lambda: observe(rng.normal(size=(80, 145)))) == []
    assert told(lambda: observe(pandas.DataFrame(rng.normal(size=(80, 145))))) == []
    assert told(lambda: observe(np.insert(rows, 0, LABELS, axis=1))) == []  # two such columns
    gaps = pandas.DataFrame(rows)
    gaps.iloc[3, 40] = np.nan
    assert told(lambda: observe(gaps)) == []
