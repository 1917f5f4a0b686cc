"""Images in a folder that are damaged, or say odd things of themselves."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vade_tf.data import pictures
from vade_tf.data.files import load_file
from vade_tf.errors import InputError
from vade_tf.model import choice


def spoiled(content: bytes) -> bytes:
    """A PNG with the second half of its pixels overwritten, and a checksum that says that this is meant."""
    at = content.index(b"IDAT")
    length = struct.unpack(">I", content[at - 4 : at])[0]
    body = content[at : at + 4 + length // 2] + b"\x55" * (length - length // 2)
    return content[:at] + body + struct.pack(">I", zlib.crc32(body)) + content[at + 8 + length :]


def test_damaged_pixels_are_not_taken_for_others(tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (64, 64)).astype("u1")).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(spoiled((tmp_path / "a.png").read_bytes()))
    with pytest.raises(InputError, match=r"a.png cannot be read as an image"):
        load_file(str(tmp_path))


@pytest.mark.parametrize("tag", [0x011A, 0x0100, 0x0131])  # resolution, width, the program; the first two as texts
def test_what_a_camera_writes_beside_its_orientation_does_not_matter(tmp_path, tag):
    entries = [struct.pack("<HHII", 0x0112, 3, 1, 6), struct.pack("<HHI4s", tag, 2, 4, b"abc\0")]
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + b"".join(sorted(entries)) + bytes(4)
    Image.new("L", (6, 4), 9).save(tmp_path / "a.jpg", exif=exif)
    assert load_file(str(tmp_path)).image_shape == (6, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_pillow(tmp_path, rng, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rng.integers(0, 256, (4, 6)).astype("u1")).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found = load_file(str(tmp_path))
    np.testing.assert_array_equal(found.x.reshape(found.image_shape), expected)


def test_what_is_left_out_or_changed_is_said(tmp_path, rng):
    """Folders behind links are read, once each; files of no known kind, further pages and lost colours are named."""
    folder, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    for where in (folder, elsewhere):
        where.mkdir()
    pages = [Image.fromarray(rng.integers(0, 256, (8, 8)).astype("u1")) for _ in range(3)]
    pages[0].save(folder / "a.png")
    pages[0].save(folder / "b.tif", save_all=True, append_images=pages[1:])
    pages[1].save(folder / "c.jfif", "JPEG")
    pages[2].save(elsewhere / "d.png")
    (folder / "e.heic").write_bytes(b"no kind that is read")
    (folder / "LICENSE").write_text("of nobody")
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    data = load_file(str(folder))
    assert data.ids.tolist() == ["a.png", "b.tif", "c.jfif", "linked/d.png"]
    said = "grey images of 8 x 8 pixels; of 1 that hold several images the first one was read; "
    said += "1 are read by links from other folders, as d.png; "
    assert data.notice == said + "files of other kinds were left out: .heic, LICENSE"
    new = tmp_path / "new"
    new.mkdir()
    pages[0].save(new / "a.png")
    pages[1].convert("RGB").save(new / "stored.png")
    pages[2].convert("P").save(new / "palette.png")
    assert load_file(str(new), schema=data.schema).notice == ""
    Image.new("RGB", (8, 8), (200, 20, 20)).save(new / "b.png")
    assert load_file(str(new), schema=data.schema).notice == "1 in colour were made grey"
    assert load_file(str(new), image_shape=(8, 8), declared=(8, 8)).notice == "1 in colour were made grey"


def test_the_pages_of_an_image_are_not_counted(tmp_path, monkeypatch):
    """Pillow walks to the end of them, each time past all before."""
    pages = [Image.new("L", (8, 8), 9)] * 2
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.n_frames", property(lambda image: 1 / 0))
    assert "of 1 that hold several images" in load_file(str(tmp_path)).notice


def test_of_many_other_files_some_are_named(tmp_path):
    Image.new("L", (8, 8), 9).save(tmp_path / "a.png")
    for number in range(3000):
        (tmp_path / f"frame.{number:04d}").touch()
    said = load_file(str(tmp_path)).notice
    assert ".0000, .0001" in said
    assert said.endswith(" more")
    assert int(said.split()[-2].replace(",", "")) + said.count(", .") + 1 == 3000


@pytest.mark.parametrize(
    ("lost", "words"),
    [("b", "cannot look into .*/images/b .*denied.*; make it readable"), ("3.png", "/images/3.png cannot be read as")],
)
def test_what_cannot_be_reached_is_not_left_out(tmp_path, monkeypatch, lost, words):
    """A folder that is closed, to root as well, and a link that leads nowhere."""
    folder, scandir = tmp_path / "images", os.scandir
    for name in ("a/1.png", "b/2.png"):
        (folder / name).parent.mkdir(parents=True)
        Image.new("L", (8, 8), 9).save(folder / name)
    assert len(load_file(str(folder)).x) == 2

    def closed(path):
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    if lost == "b":
        monkeypatch.setattr(os, "scandir", closed)
    else:
        (folder / lost).symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=words):
        load_file(str(folder))


def test_the_folders_that_are_labels_are_named(tmp_path):
    for name in ("train/cat/a.png", "train/dog/b.png", "test/cat/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 9).save(tmp_path / name)
    assert load_file(str(tmp_path), "folders").notice.splitlines()[-1] == "labels: 2 folders, test, train"


def test_colours_of_a_kind_of_their_own_are_not_taken_for_grey(tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype("u1"), "LAB").save(tmp_path / "a.tif")
    assert load_file(str(tmp_path)).image_shape == (8, 8, 3)


def test_hidden_files_are_no_images(tmp_path, rng):
    """As systems and other programs leave them beside images, at the root of a disk as well."""
    folder = tmp_path / "images"
    for name in ("a.png", "b.png", ".ipynb_checkpoints/a-checkpoint.png", "lost+found/c.png", "$RECYCLE.BIN/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8)).astype("u1")).save(folder / name)
    (folder / "._a.png").write_bytes(b"no image")
    assert load_file(str(folder)).ids.tolist() == ["a.png", "b.png"]


def test_masks_are_images(tmp_path, rng):
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 2, (8, 8)).astype("u1")).save(folder / f"{number}.png")
    assert choice.choose(load_file(str(folder))).name == "bernoulli"


def test_new_images_have_the_form_of_those_of_an_array(tmp_path):
    Image.new("L", (4, 6)).save(tmp_path / "a.png")
    assert load_file(str(tmp_path), image_shape=(6, 4)).x.shape == (1, 24)
    with pytest.raises(InputError, match=r"expected images of \(4, 6\), as in training, got \(6, 4\)"):
        load_file(str(tmp_path), image_shape=(4, 6))


def test_images_of_every_ending_are_read(tmp_path):
    endings = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "pgm", "ppm", "JPG", "Png"]
    for number, ending in enumerate(endings):
        Image.new("L", (6, 4), 9).save(tmp_path / f"{number}.{ending}")
    assert len(load_file(str(tmp_path)).x) == len(endings)


def test_a_packed_bmp_is_refused(tmp_path):
    """Two bytes of it can leave out any number of rows, for which some versions of Pillow take memory."""
    head = struct.pack("<2sIHHI", b"BM", 1094, 0, 0, 1078) + struct.pack(
        "<IiiHHIIiiII", 40, 8, 8, 1, 8, 1, 16, 0, 0, 0, 0
    )
    (tmp_path / "a.bmp").write_bytes(head + bytes(1024) + b"\x00\x02\x00\x07\x08\x00\x00\x01" * 2)
    with pytest.raises(InputError, match="a.bmp is a packed .bmp"):
        load_file(str(tmp_path))


def test_an_image_that_is_brought_to_another_size_shows_the_same(tmp_path):
    """Lower than wide: a ramp from left to right stays one."""
    ramp = np.tile(np.arange(0, 240, 20), (8, 1)).astype("u1")
    for number in range(3):
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
    Image.fromarray(ramp.repeat(2, axis=0).repeat(2, axis=1)).save(tmp_path / "large.png")
    found = load_file(str(tmp_path))
    assert found.image_shape == (8, 12)
    np.testing.assert_allclose(found.x[3].reshape(8, 12).astype(float), ramp, atol=12)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_one_image_in_colour_among_grey_ones_keeps_its_colours(tmp_path, order):
    Image.new("RGB", (6, 4), (200, 40, 90)).save(tmp_path / f"{order[0]}.png")
    Image.new("L", (6, 4), 120).save(tmp_path / f"{order[1]}.png")
    x = load_file(str(tmp_path)).x.reshape(2, 4, 6, 3)
    assert x["ab".index(order[0])].reshape(-1, 3).tolist() == [[200, 40, 90]] * 24
    np.testing.assert_array_equal(x["ab".index(order[1])], 120)


@pytest.mark.parametrize("run", [".", "seed-0"])
def test_figures_of_a_run_are_no_rows(tmp_path, run):
    (tmp_path / run / "figures").mkdir(parents=True)
    Image.new("L", (6, 4), 120).save(tmp_path / run / "figures" / "history.png")
    assert len(load_file(str(tmp_path)).x) == 1
    for name in ("config.json", "data.json"):
        (tmp_path / run / name).write_text("{}")
    with pytest.raises(InputError, match="which holds a run and its figures; give the run's own data"):
        load_file(str(tmp_path))


@pytest.mark.parametrize(("declared", "shape"), [((6, 8), (6, 8)), ((6, 8, 3), (6, 8, 3)), ((6, 8, 1), (6, 8))])
def test_images_are_brought_to_the_size_that_is_asked_for(tmp_path, rng, declared, shape):
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (120, 160, 3)).astype("u1")).save(tmp_path / f"{number}.png")
    found = load_file(str(tmp_path), declared=declared)
    assert (found.image_shape, found.x.dtype) == (shape, np.uint8)
    assert "image_shape" not in found.notice
    new = load_file(str(tmp_path), schema=found.schema, declared=declared)
    np.testing.assert_array_equal(new.x, found.x)


def test_large_images_are_said_to_train_slowly(tmp_path):
    Image.new("L", (160, 120)).save(tmp_path / "a.png")
    assert "train slowly; image_shape brings them to a smaller size" in load_file(str(tmp_path)).notice


def test_images_that_do_not_fit_in_memory_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vade_tf.machine.memory", lambda: 500)
    for number in range(10):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match=r"10 images of 8 x 8 needs .*; make them smaller$"):
        load_file(str(tmp_path))
    for number in range(5):
        (tmp_path / f"{number}.png").unlink()
    assert len(load_file(str(tmp_path)).x) == 5


def test_an_image_of_too_many_pixels_is_named_and_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "LARGEST", 100)
    Image.new("L", (10, 10)).save(tmp_path / "a.png")
    assert len(load_file(str(tmp_path)).x) == 1
    Image.new("L", (11, 10)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"images of at most 100 pixels, got \(11, 10\) in .*b.png; remove it"):
        load_file(str(tmp_path))


@pytest.mark.parametrize("brightest", [200, 4095, 62 * 257, 63 * 257, 65535])
def test_dark_images_of_16_bits_are_told(tmp_path, rng, brightest):
    """Of 12 bits in 16, as cameras save them, 16 grey levels are left; the scale stays that of every other image."""
    for i in range(6):
        Image.fromarray(rng.permuted(np.linspace(0, brightest, 400)).reshape(20, 20).astype("u2")).save(
            tmp_path / f"{i}.tif"
        )
    if brightest < 257:
        with pytest.raises(
            InputError, match="^data: expected images of 16 bits that are not black.*multiply the values"
        ):
            load_file(str(tmp_path))
    new = load_file(str(tmp_path), schema=pictures.Pictures(20, 20, 1))
    levels = len(np.unique(new.x))
    assert levels == brightest // 257 + 1
    told = f"6 of more than 8 bits are dark: at most {levels} grey levels are left of them; to keep more, train on "
    assert (told in new.notice) == (levels < 64)
    if brightest > 257:
        assert (told in load_file(str(tmp_path)).notice) == (levels < 64)
