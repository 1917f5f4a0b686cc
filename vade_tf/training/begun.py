"""What a fit is one of: rows and settings that another fit with the same store must have to go on where it stopped."""

import zlib

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.seeding import Stream, subset
from vade_tf.training.settings import Resolved
from vade_tf.training.store import Memory, Store, damaged

NAME = "begun"
ROWS = 256  # that are looked at: of rows in a file each is a read
SAID = ("seed", "restart", "clusters")
# What a store has of one fit; a pretrained autoencoder alone may be lent to another
FOUND = ("clusters", "further", "start")


def check(store: Store, rows: Rows, settings: Resolved, about: dict[str, str], goes_on: bool) -> None:
    """Note in a store what a fit is one of, or compare it with the fit whose state the store has.

    More epochs than before are no other fit, nor is any other setting of how it is trained. A state without such a
    note, of an older version, is taken as it is, and so is what a note of an older version does not say.

    Args:
        store: of the fit; not asked of several workers but the chief's.
        rows: all of them, of which `ROWS` are looked at.
        settings: of the fit.
        about: what else it is, by name, in words.
        goes_on: whether the store has the state of a fit.

    Raises:
        InputError: it is that of a fit to other rows or settings.
    """
    some = rows[subset(len(rows), pipeline.together(rows, ROWS), 0, Stream.LOOKED_AT)]
    said = {name: str(getattr(settings, name)) for name in SAID}
    said |= {"rows": f"{tuple(rows.shape)}, {zlib.crc32(np.ascontiguousarray(some).data):08x}", **about}
    before = store.load(NAME)
    goes_on = goes_on or any(store.load(name) is not None for name in FOUND)
    if goes_on and before is None:
        return
    if not goes_on:
        store.save(NAME, {name: np.array(value) for name, value in said.items()})
        return
    assert before is not None
    words = all(value.shape == () and value.dtype.kind == "U" for value in before.values())
    if not (words and {*SAID, "rows"} <= set(before) <= set(said)):
        raise damaged(store, NAME, f"expected {', '.join(said)}, in words")
    if other := [name for name in said if name in before and str(before[name]) != said[name]]:
        name = other[0]
        todo = "give a new Memory()" if isinstance(store, Memory) else "restore these, or train into another folder"
        raise InputError(
            f"{store.place(NAME)} is of a fit to other rows or settings, with {name} {before[name]} instead of "
            f"{said[name]}; {todo}"
        )
