"""Parts of HDF5 arrays: each is as long as it is to be, however it is packed, or it is refused before HDF5 reads it."""

import zlib

import h5py
import numpy as np
import pytest

from vade_tf import hdf5

WAYS = {
    "stored as it is": ({}, bytes),
    "gzip": ({"compression": "gzip"}, lambda n: zlib.compress(bytes(n))),
    "gzip, shuffled": ({"compression": "gzip", "shuffle": True}, lambda n: zlib.compress(bytes(n))),
    "gzip, a checksum": ({"compression": "gzip", "fletcher32": True}, lambda n: summed(zlib.compress(bytes(n)))),
    "shuffled, a checksum": ({"shuffle": True, "fletcher32": True}, lambda n: summed(bytes(n))),
    "lzf": ({"compression": "lzf"}, lambda n: b"".join(bytes([len(run) - 1]) + run for run in runs(n))),
    "lzf, copied": ({"compression": "lzf", "shuffle": True}, lambda n: bytes([0, 0, 0xE0, n - 10, 0])),
}


def summed(content: bytes) -> bytes:
    """With the four bytes after it that HDF5 takes for a checksum, here a wrong one: it is not to come so far."""
    return content + bytes(4)


def runs(n: int) -> list[bytes]:
    return [bytes(min(32, n - start)) for start in range(0, n, 32)]


@pytest.mark.parametrize(("how", "packed"), WAYS.values(), ids=WAYS.keys())
def test_a_part_that_unpacks_to_another_length_than_it_has_is_refused(tmp_path, how, packed):
    """HDF5 gives what lies in memory for what is missing, and goes on to the end of what is packed."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=np.ones(130, "i2"), chunks=(100,), **how)
        for length in (199, 201):
            item = file.create_dataset(f"x{length}", data=np.ones(130, "i2"), chunks=(100,), **how)
            item.id.write_direct_chunk((100,), packed(length))
        if not how.get("fletcher32"):
            file["x"].id.write_direct_chunk((100,), packed(200))
    with h5py.File(tmp_path / "x.h5") as file:
        expected = [1] * 130 if how.get("fletcher32") else [1] * 100 + [0] * 30
        assert hdf5.numbers(file["x"], "x").tolist() == expected
        for length in (199, 201):
            with pytest.raises(ValueError, match="a part of x unpacks to another length than the 200 bytes that it is"):
                hdf5.numbers(file[f"x{length}"], "x")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("how", [how for how, _ in WAYS.values()], ids=WAYS.keys())
def test_honest_parts_are_read_however_they_are_packed(tmp_path, libver, how):
    """Edges that reach beyond the array, parts that are not stored, or as they are where packing gains nothing."""
    draws, texts = np.random.default_rng(0), h5py.string_dtype()
    noise = draws.integers(0, 256, (70, 5000)).astype("u1")
    kinds = np.dtype([("a", texts), ("b", "f4", (3,)), ("c", "S5"), ("d", [("e", texts), ("f", "i8")])])
    arrays = {
        "noise": (noise, (64, 3000)),
        "zeros": (np.zeros((70, 50), "f8"), (200, 100)),
        "counts": (draws.poisson(0.1, (300, 40)).astype("i4"), (7, 40)),
        "texts": (np.array([f"cell {i % 7}" for i in range(300)], object), (77,)),
        "records": (np.array([(f"{i}", (i, 1, 2), b"c", ("e", i)) for i in range(60)], kinds), (25,)),
        "lists": (None, (10,)),
    }
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
        for name, (values, chunks) in arrays.items():
            dtype = texts if name == "texts" else h5py.vlen_dtype("i4") if values is None else values.dtype
            shape = (12,) if values is None else values.shape
            if dtype.hasobject and "fletcher32" in how:  # which have no checksum
                continue
            item = file.create_dataset(name, shape, dtype, chunks=chunks, maxshape=(None,) * len(shape), **how)
            item[:] = values if values is not None else [np.arange(i) for i in range(12)]
        item = file.create_dataset("hole", (50,), "f4", chunks=(8,), fillvalue=3, **how)
        item[20:30] = 1
    with hdf5.opened(tmp_path / "x.h5") as stored:
        for name in stored:
            hdf5.check_size(stored[name], name)
        for name in ("noise", "zeros", "counts"):
            np.testing.assert_array_equal(hdf5.numbers(stored[name], name), arrays[name][0])
        assert hdf5.numbers(stored["hole"], "hole").tolist() == [3] * 20 + [1] * 10 + [3] * 20
        assert "fletcher32" in how or hdf5.values(stored["texts"], "texts")[299] == b"cell 5"


@pytest.mark.parametrize("how", [{"scaleoffset": 0}, {"compression": "gzip", "scaleoffset": 2}, {"compression": 12}])
def test_what_is_packed_in_a_way_that_cannot_be_checked_is_refused(tmp_path, how):
    """Where the parameters of such a filter are altered, HDF5 ends the program."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (60, 9), "i4", chunks=(60, 9), allow_unknown_filter=True, **how)
    with (
        h5py.File(tmp_path / "x.h5") as file,
        pytest.raises(ValueError, match='write it again with compression="gzip"'),
    ):
        hdf5.numbers(file["x"], "x")
