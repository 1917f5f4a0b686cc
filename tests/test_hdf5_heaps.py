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


def test_a_heap_longer_than_its_file_and_many_within_one_another_are_refused(file):
    content = file.read_bytes()
    at = content.index(b"GCOL")
    for length in (0, 15, 2**40, len(content), len(content) - at + 1):
        file.write_bytes(content[: at + 8] + length.to_bytes(8, "little") + content[at + 16 :])
        assert not opens(file)
    file.write_bytes(content + 20 * (b"GCOL\1\0\0\0" + (16).to_bytes(8, "little")))
    assert not opens(file)  # each takes 4096 bytes at least


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
