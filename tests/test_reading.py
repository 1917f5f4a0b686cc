"""Files of NumPy that are damaged, or made to run a program, are refused."""

import pickle
import zipfile

import numpy as np
import pytest

from vade_tf import reading


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a file has run a program",))


@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_come_back(tmp_path, mapped):
    for x in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((3, 2), ">i2")), np.array(3), np.zeros((0, 2))):
        np.save(tmp_path / "x.npy", x)
        found = reading.plain_array(tmp_path / "x.npy", mapped)
        np.testing.assert_array_equal(found, x)
        assert (found.dtype, found.flags.f_contiguous) == (x.dtype, x.flags.f_contiguous)
        assert isinstance(found, np.memmap) == mapped


@pytest.mark.parametrize("read", [reading.plain_array, lambda file: reading.plain_array(file, True)])
@pytest.mark.parametrize("damage", ["objects", "cut", "empty", "another kind", "a large claim"])
def test_a_damaged_array_is_refused(tmp_path, read, damage):
    np.save(tmp_path / "x.npy", np.array([Trap()], object) if damage == "objects" else np.ones((40, 3)))
    content = (tmp_path / "x.npy").read_bytes()
    damaged = {"cut": content[:-8], "empty": b"", "another kind": pickle.dumps(Trap())}
    damaged["a large claim"] = content.replace(b"(40, 3), }" + b" " * 10, b"(4000000000, 3), }  ")
    (tmp_path / "x.npy").write_bytes(damaged.get(damage, content))
    with pytest.raises((ValueError, EOFError)):
        read(tmp_path / "x.npy")


def test_an_archive_of_too_much_or_of_objects_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1000), y=np.array([Trap()], object))
    np.testing.assert_array_equal(reading.archive_arrays(tmp_path / "x.npz", ["x"])["x"], np.zeros(1000))
    with pytest.raises(ValueError, match="allow_pickle"):
        reading.archive_arrays(tmp_path / "x.npz")
    with pytest.raises(KeyError):
        reading.archive_arrays(tmp_path / "x.npz", ["z"])
    monkeypatch.setattr(reading, "memory", lambda: 8000)
    with pytest.raises(ValueError, match="more than this machine can hold"):
        reading.archive_arrays(tmp_path / "x.npz", ["x"])
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-30])
    with pytest.raises(zipfile.BadZipFile):
        reading.archive_arrays(tmp_path / "x.npz")
