"""The fingerprint of a fit: rows and settings that another fit with the same store must have to go on."""

import zlib

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.seeding import Stream, subset
from vade_tf.training.settings import Resolved
from vade_tf.training.store import Store

MAX_ROWS_HASHED = 256  # of rows in a file each is a read


def check(store: Store, rows: Rows, settings: Resolved, about: dict[str, str]) -> None:
    """Keep the fingerprint of a fit, or compare it with that of the fit whose state the store has.

    More epochs than before are no other fit, nor is any other setting of how it is trained.

    Args:
        store: of the fit; not asked of several workers but the chief's.
        rows: all of them, of which `MAX_ROWS_HASHED` are read.
        settings: of the fit.
        about: what else it is, by name, in words.

    Raises:
        InputError: the store has the state of a fit to other rows or settings, or of an older version.
    """
    some = rows[subset(len(rows), pipeline.together(rows, MAX_ROWS_HASHED), 0, Stream.LOOKED_AT)]
    found = {name: str(getattr(settings, name)) for name in ("seed", "restart", "clusters")}
    found |= {"rows": f"{tuple(rows.shape)}, {zlib.crc32(np.ascontiguousarray(some).data):08x}", **about}
    before = store.load("fingerprint")
    if any(store.load(name) is not None for name in ("state", "clusters", "further", "start")):
        other = [name for name, value in found.items() if str((before or {}).get(name)) != value]
        if other:
            was = "an older version" if before is None else f"{other[0]} {before.get(other[0])}"
            expected = f"the state of a fit with {other[0]} {found[other[0]]}"
            raise InputError("store", expected, f"{was} in {store.place('fingerprint')}", "begin in another place")
    store.save("fingerprint", {name: np.array(value) for name, value in found.items()})
