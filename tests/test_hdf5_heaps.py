"""Heaps of texts in HDF5 files whose lengths are made to harm: HDF5 would walk along them for ever."""

import h5py
import numpy as np
import pytest

from vade_tf import hdf5
from vade_tf.data.files import load_file
from vade_tf.errors import InputError

WORDS = ["a", "bc", "", "déjà", "x" * 5000, *map(str, range(400))]


@pytest.fixture
def file(tmp_path):
    """Numbers, and texts in several heaps."""
    with h5py.File(tmp_path / "t.h5", "w") as stored:
        stored["x"], stored["words"] = np.ones((6, 3), "f4"), WORDS
        stored["x"].attrs["unit"] = "cm"
    return tmp_path / "t.h5"


def texts(content: bytes) -> list[tuple[int, int]]:
    """Of each text in a heap, and of what is free behind them, its place in a file and its number, 0 of the latter."""
    found, heap = [], -1
    while (heap := content.find(b"GCOL", heap + 1)) >= 0:
        place, end = heap + 16, heap + int.from_bytes(content[heap + 8 : heap + 16], "little")
        while place + 16 <= end:
            number = int.from_bytes(content[place : place + 2], "little")
            found.append((place, number))
            if number == 0:
                break
            place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    return found


def opens(file) -> bool:
    try:
        with hdf5.opened(file):
            return True
    except ValueError:
        return False


def test_texts_as_they_were_written_are_read_also_after_others_were_taken_out(file):
    assert opens(file)
    with h5py.File(file, "r+") as stored:
        del stored["words"]
        stored["others"] = WORDS[::-1]
        stored["others"][3:200] = "changed"
        stored.attrs["list"] = ["one", "two"]
    assert opens(file)
    with h5py.File(file) as stored:
        assert hdf5.values(stored["others"], "others")[[0, 5]].tolist() == [b"399", b"changed"]


@pytest.mark.parametrize(
    ("number", "length"),
    [(0, 0), (0, 8), (0, 2**63), (0, 10**6), (1, 2**64 - 16), (1, 2**64 - 48), (1, 2**63), (1, 10**6)],
)
def test_a_length_that_leads_nowhere_or_back_is_refused(file, number, length):
    content = bytearray(file.read_bytes())
    place = dict(map(reversed, texts(content)))[number]
    content[place + 8 : place + 16] = length.to_bytes(8, "little")
    file.write_bytes(content)
    with pytest.raises(ValueError, match="a heap of texts in it is damaged"), hdf5.opened(file):
        pass


@pytest.mark.parametrize("length", [0, 15, 4095, 2**40])
def test_a_heap_that_is_too_short_or_longer_than_its_file_hdf5_refuses_itself(file, length):
    content = bytearray(file.read_bytes())
    for place in range(len(content)):
        if content[place : place + 4] == b"GCOL":
            content[place + 8 : place + 16] = length.to_bytes(8, "little")
    file.write_bytes(content)
    with hdf5.opened(file) as stored, pytest.raises(OSError, match="size|exceeds|heap"):
        stored["words"][:]


def test_very_many_heaps_within_one_another_are_refused_before_all_are_read(file):
    """Each is whole: a head, and one text up to its end."""
    one = b"GCOL\1\0\0\0" + (4096).to_bytes(8, "little") + (1).to_bytes(8, "little") + (4064).to_bytes(8, "little")
    file.write_bytes(file.read_bytes() + 500 * one + bytes(5000))
    with pytest.raises(ValueError, match="its heaps of texts lie in one another"), hdf5.opened(file):
        pass


def test_a_file_that_holds_another_is_read(file, tmp_path):
    inner = np.frombuffer(file.read_bytes(), "u1")
    with h5py.File(tmp_path / "outer.h5", "w") as stored:
        stored.create_dataset("kept", (1,), h5py.vlen_dtype("u1"))[0] = inner
    assert opens(tmp_path / "outer.h5")


@pytest.mark.parametrize("seed", range(6))
def test_heaps_that_end_in_less_than_the_head_of_a_text_are_whole(tmp_path, seed):
    r = np.random.default_rng(seed)
    with h5py.File(tmp_path / "t.h5", "w") as stored:
        for name in "abcd":
            stored[name] = ["y" * length for length in r.integers(0, 30, 300)]
    assert opens(tmp_path / "t.h5")


def test_what_hdf5_leaves_free_may_say_anything(file):
    """The three bytes behind the version of a heap, which HDF5 does not look at."""
    content = bytearray(file.read_bytes())
    place = next(place for place, number in texts(content) if number == 0)
    content[place + 8 : place + 16] = bytes(8)
    at = content.rindex(b"GCOL", 0, place)
    content[at + 5 : at + 8] = b"abc"
    file.write_bytes(content)
    assert not opens(file)


def test_where_blocks_of_the_file_meet_a_heap_is_found(file, monkeypatch):
    content = bytearray(file.read_bytes())
    place = next(place for place, number in texts(content) if number == 0)
    content[place + 8 : place + 16] = bytes(8)
    file.write_bytes(content)
    for block in range(8, 72, 3):
        monkeypatch.setattr(hdf5, "BLOCK", block)
        assert not opens(file)


def test_such_a_file_is_one_line(file):
    content = bytearray(file.read_bytes())
    place = next(place for place, number in texts(content) if number == 0)
    content[place + 8 : place + 16] = bytes(8)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.h5 cannot be read as \.h5 \(a heap of texts in it is damaged\)"):
        load_file(file)
