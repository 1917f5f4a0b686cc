"""Folders of images: what is read of them, in which order, size and colours."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from small_files import loaded

from vade_tf.data.images import ImageForm
from vade_tf.errors import InputError


def save(file, *sides, mode="L"):
    """An image of random values."""
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 256, (*sides, 3)).astype("u1")
    Image.fromarray(values).convert(mode).save(file)


def test_damaged_pixels_are_not_taken_for_others(tmp_path):
    save(tmp_path / "a.png", 64, 64)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    with pytest.raises(InputError, match=r"a.png \(broken data"):
        loaded(str(tmp_path))


def test_what_starts_a_program_is_not_read(tmp_path):
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    with pytest.raises(InputError, match="cannot identify image file"):
        loaded(str(tmp_path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_every_orientation_is_that_of_pillow(tmp_path, rng, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rng.integers(0, 256, (4, 6)).astype("u1")).save(tmp_path / f"a.{ending}", exif=exif)
    with Image.open(tmp_path / f"a.{ending}") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found = loaded(str(tmp_path))
    np.testing.assert_array_equal(found.x.reshape(found.image_shape), expected)


def test_images_of_every_ending_are_read_by_name_but_hidden_ones_and_other_files(tmp_path):
    endings = ["JPG", "Png", "bmp", "gif", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"]
    for number, ending in enumerate(endings):
        Image.new("L", (6, 4), 9).save(tmp_path / f"{number:02}.{ending}")
    save(tmp_path / ".ipynb_checkpoints" / "a.png", 4, 6)
    (tmp_path / "._a.png").write_bytes(b"no image")
    (tmp_path / "LICENSE").write_text("of nobody")
    found = loaded(str(tmp_path))
    assert found.ids.tolist() == [f"{number:02}.{ending}" for number, ending in enumerate(endings)]
    assert found.notice == "grey images of 4 x 6 pixels"


def test_the_outermost_folders_may_be_labels(tmp_path):
    for name in ("train/cat/a.png", "train/dog/b.png", "test/cat/c.png"):
        save(tmp_path / name, 8, 8)
    found = loaded(str(tmp_path), "folders")
    assert found.ids.tolist() == ["test/cat/c.png", "train/cat/a.png", "train/dog/b.png"]
    assert found.y.tolist() == [0, 1, 1]
    save(tmp_path / "d.png", 8, 8)
    with pytest.raises(InputError, match="^labels: expected every image in a folder of its label"):
        loaded(str(tmp_path), "folders")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (6, 4), (80, 80, 80)), 80),  # grey, stored as colour
        (Image.new("LA", (6, 4), (0, 0)), 255),  # transparent
        (Image.fromarray(np.full((4, 6), 257 * 80, "u2")), 80),  # of 16 bits
        (Image.new("1", (6, 4), 1), 255),
    ],
)
def test_what_is_grey_in_any_form_is_grey(tmp_path, image, expected):
    image.save(tmp_path / "a.png")
    found = loaded(str(tmp_path))
    assert found.image_shape == (4, 6)
    np.testing.assert_array_equal(found.x, expected)


def test_an_image_that_is_brought_to_another_size_shows_the_same(tmp_path):
    """Lower than wide: a ramp from left to right stays one."""
    ramp = np.tile(np.arange(0, 240, 20), (8, 1)).astype("u1")
    for number in range(3):
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
    Image.fromarray(ramp.repeat(2, axis=0).repeat(2, axis=1)).save(tmp_path / "large.png")
    found = loaded(str(tmp_path))
    assert found.image_shape == (8, 12)
    np.testing.assert_allclose(found.x[3].reshape(8, 12).astype(float), ramp, atol=12)


@pytest.mark.parametrize(("declared", "shape"), [((6, 8), (6, 8)), ((6, 8, 3), (6, 8, 3)), ((6, 8, 1), (6, 8))])
def test_images_are_brought_to_the_size_that_is_asked_for_and_new_ones_alike(tmp_path, declared, shape):
    save(tmp_path / "a.png", 120, 160, mode="RGB")
    found = loaded(str(tmp_path), image_shape=declared)
    assert (found.image_shape, found.x.dtype) == (shape, np.uint8)
    assert len(found.schema.features) == found.x.shape[1]
    new = loaded(str(tmp_path), schema=ImageForm.from_dict(found.schema.to_dict()), image_shape=declared)
    np.testing.assert_array_equal(new.x, found.x)
