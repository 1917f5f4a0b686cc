"""Weights in a stored model: plain numbers that are all there, or it is refused before Keras reads it."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from vade_tf.model import stored


def packed(place, name, values):
    """A few bytes may unpack to any number of zeros."""
    place.create_dataset(name, data=values, compression="gzip")


def unwritten(place, name, values):
    """A shape takes no bytes, the zeros in its place take memory."""
    place.create_dataset(name, values.shape, values.dtype)


def short(place, name, values):
    """HDF5 gives what lies in memory for what a part lacks; a part beyond the array makes up for it in the sum."""
    array = place.create_dataset(name, data=values, chunks=(len(values) - 1, *values.shape[1:]))
    array.id.write_direct_chunk((0, 0), bytes(40))
    assert array.nbytes <= array.id.get_storage_size()


def labelled(place, name, values):
    """Each text of a list may be the same long one, which is stored once."""
    array = place.create_dataset(name, data=values)
    array.attrs.create("words", np.array(["a", "b"], object), dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (packed, "is in parts, which no layer is"),
        (short, "is in parts, which no layer is"),
        (unwritten, "claims .* bytes and has 0"),
        (labelled, "has a list of texts beside it"),
    ],
)
def test_weights_that_take_more_memory_than_they_are_long_are_refused(put, reason, small_model, tmp_path):
    small_model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content, names = io.BytesIO(members["model.weights.h5"]), []
    with h5py.File(content, "r+") as weights:
        weights.visititems(lambda name, item: names.append(name) if getattr(item, "ndim", 0) == 2 else None)
        values = weights[names[0]][()]
        del weights[names[0]]
        put(weights, names[0], values)
    members["model.weights.h5"] = content.getvalue()
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=reason):
        stored.load(tmp_path / "m.keras")
