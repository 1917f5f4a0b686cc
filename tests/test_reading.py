"""Files that may be damaged: none is waited for, and none is read beyond what it may be long."""

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vade_tf import machine, reading
from vade_tf.errors import InputError

READERS = {
    "text": reading.text_of,
    "object": reading.json_object,
    "arrays": lambda file: reading.stored_arrays(file, "copy it again"),
    "array": reading.plain_array,
    "array that stays": lambda file: reading.plain_array(file, "r"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("what", ["a pipe", "a device", "a folder"])
def test_what_is_no_file_is_not_opened(what, read, tmp_path, monkeypatch):
    file = tmp_path / "x"
    {"a pipe": os.mkfifo, "a device": lambda file: file.symlink_to(os.devnull), "a folder": Path.mkdir}[what](file)

    def opened(*arguments, **settings):
        raise AssertionError("it was opened")

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(zipfile, "ZipFile", opened)
    with pytest.raises((InputError, ValueError), match="expected a regular file, got"):
        read(file)


def test_no_more_is_read_than_a_text_may_be_long(tmp_path, monkeypatch):
    (tmp_path / "x").write_text('{"a": 12}')
    monkeypatch.setattr(reading, "LARGEST_JSON", 9)
    assert reading.json_object(tmp_path / "x") == {"a": 12}
    monkeypatch.setattr(reading, "LARGEST_JSON", 8)
    with pytest.raises(InputError, match="more than 8 bytes"):
        reading.json_object(tmp_path / "x")


def test_arrays_are_read_that_are_asked_for_and_fit_together(tmp_path, monkeypatch):
    file = tmp_path / "x.npz"
    np.savez(file, a=np.arange(100), b=np.ones(100), c=np.array([{}], object))
    assert list(reading.archive_arrays(file, ["b"])) == ["b"]
    monkeypatch.setattr(machine, "memory", lambda: 1500)
    assert list(reading.archive_arrays(file, ["a"])) == ["a"]
    with pytest.raises(ValueError, match="all that it holds needs"):
        reading.archive_arrays(file, ["a", "b"])
    with pytest.raises(ValueError, match="expected an array 'd', got none"):
        reading.archive_arrays(file, ["d"])


def test_a_long_header_is_not_read(tmp_path):
    """NumPy would read it before it looks how long it is; packed, 4 GiB of it are 4 MB."""
    beginning = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 8) + bytes(50_000_000)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", beginning)
    del beginning
    tracemalloc.start()
    with pytest.raises(ValueError, match="its header is longer than 65,535 bytes"):
        reading.archive_arrays(tmp_path / "x.npz")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_header_of_version_2_is_read(tmp_path):
    wide = np.zeros(2, [("a" * 40_000, "f4"), ("b" * 40_000, "f4")])  # too long for version 1
    np.save(tmp_path / "long.npy", wide)
    with pytest.raises(ValueError, match="its header is longer"):
        reading.plain_array(tmp_path / "long.npy")
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(6.0).reshape(2, 3), (2, 0))
    np.testing.assert_array_equal(reading.plain_array(tmp_path / "x.npy"), np.arange(6.0).reshape(2, 3))


def test_the_members_of_a_zip_take_no_more_together_than_it_is_long():
    """Several that name the same bytes would be read as often as these are named."""
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        archive.writestr("a", b"x" * 60)
        archive.writestr("b", b"x" * 60)
        reading.check_members(archive, 120)
        with pytest.raises(ValueError, match="its members claim more bytes than it has"):
            reading.check_members(archive, 119)


@pytest.mark.parametrize(
    "header", ["(", "-" * 5000 + "1", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2**70), }"]
)
def test_a_header_that_is_none_is_told(tmp_path, header):
    """Python's reader of literals has errors of its own for it."""
    text = header.replace("2**70", str(2**70)).encode() + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(ValueError, match="its header cannot be read|expected lengths from 0 below 2"):
        reading.plain_array(tmp_path / "x.npy")


def test_what_is_read_up_to_a_bound_is_closed_with_its_reader():
    stream = io.BytesIO(b"abc")
    with reading.bounded(stream, 3) as found:
        assert found.read() == b"abc"
    assert stream.closed
