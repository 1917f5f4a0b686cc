"""Checkpoints of a run folder, which a resumed run reads, and one that is lent an autoencoder."""

import shutil
from collections.abc import Callable, Iterator

import numpy as np

from .arrays import PICKLED, bomb, npy, patched, saved, zipped
from .case import Case
from .folders import LENT, RESUME, altered, cut, folder_at, gone, members, pipe_at, put


def first(value) -> Callable[[dict], dict]:
    """Replaces the first array but `meta`."""
    return lambda found: {**found, next(name for name in found if name != "meta"): value}


def each(edit: Callable[[np.ndarray], object]) -> Callable[[dict], dict]:
    """Changes every array but `meta`."""
    return lambda found: {name: value if name == "meta" else edit(value) for name, value in found.items()}


def meta(text: str) -> Callable[[dict], dict]:
    return lambda found: {**found, "meta": np.array(text)}


ARRAYS = {
    "other names": lambda found: {f"z{name}": value for name, value in found.items()},
    "none": lambda found: {},
    "one gone": lambda found: dict(list(found.items())[:-1]),
    "another shape": first(np.zeros((3, 5), "f4")),
    "another dimension": each(lambda value: np.zeros((2, *value.shape), value.dtype)),
    "texts": first(np.array(["a", "b"])),
    "complex": each(lambda value: value + 1j),
    "objects that run": first(PICKLED),
    "no array": first(b"hello"),
    "364 TiB": first(npy("<f8", (5 * 10**12, 10))),
    "an empty array": first(np.zeros(0, "f4")),
    "a single number": first(np.float32(1)),
    "dates": first(np.zeros(3, "M8[s]")),
}
FILES = {
    "empty": b"",
    "a text": b"hello",
    "no member": zipped({}),
    "a .npy": saved(np.zeros(3)),
    "a pickle": b"\x80\x04N.",
    "encrypted": patched(zipped({"meta.npy": saved(np.zeros(3))}), 6, 8, b"\1\0"),
    "an unknown method": patched(zipped({"meta.npy": saved(np.zeros(3))}), 8, 10, b"\x63\0"),
    "a wrong checksum": patched(zipped({"meta.npy": saved(np.zeros(3))}), 14, 16, b"abcd"),
    "deflate that is none": patched(zipped({"meta.npy": saved(np.zeros(3))}), 8, 10, b"\x08\0"),
}
METAS = {
    "no JSON": "{",
    "a list": "[]",
    "null": "null",
    "nothing in it": "{}",
    "a phase of none": '{"phase": "x", "epoch": 1, "rows": []}',
    "an epoch of text": '{"phase": "fit", "epoch": "one", "rows": []}',
    "an epoch below 0": '{"phase": "fit", "epoch": -1, "rows": []}',
    "an epoch of 10^9": '{"phase": "fit", "epoch": 1000000000, "rows": []}',
    "rows of text": '{"phase": "fit", "epoch": 1, "rows": "x"}',
    "rows of numbers": '{"phase": "fit", "epoch": 1, "rows": [1]}',
    "rows of lists": '{"phase": "fit", "epoch": 1, "rows": [{"phase": []}]}',
    "a row without seconds": '{"phase": "fit", "epoch": 1, "rows": [{"phase": "fit", "epoch": 1}]}',
    "100,000 brackets": "[" * 100_000,
    "an epoch of NaN": '{"phase": "fit", "epoch": NaN, "rows": []}',
}


def checkpoint_cases() -> Iterator[Case]:
    """What a resumed run and one that is lent an autoencoder read."""
    state, start, pretrained = (f"checkpoints/{name}.npz" for name in ("state", "start", "pretrained"))
    for name, content in FILES.items():
        yield altered(f"state.npz: {name}", RESUME, put(state, content), ("state.npz",))
    for name, edit in ARRAYS.items():
        ends = "either" if name == "a single number" else "refused"  # the first array is one
        yield altered(f"state.npz: {name}", RESUME, members(state, edit), ("state.npz",), ends=ends)
        yield altered(f"start.npz: {name}", RESUME, members(start, edit), ("start.npz",), ends="either")
        yield altered(f"pretrained.npz: {name}", LENT, members(pretrained, edit), ("pretrained.npz", "--pretrained"))
    for name, text in METAS.items():
        yield altered(f"state.npz: meta {name}", RESUME, members(state, meta(text)), ("state.npz",))
        yield altered(f"pretrained.npz: meta {name}", LENT, members(pretrained, meta(text)), ("pretrained.npz",))
    for file in ("empty", "an unknown method", "encrypted"):
        yield altered(f"pretrained.npz: {file}", LENT, put(pretrained, FILES[file]), ("pretrained.npz",))
        yield altered(f"start.npz: {file}", RESUME, put(start, FILES[file]), ("start.npz",))
    nan = each(lambda value: np.full_like(value, np.nan) if value.dtype.kind == "f" else value)
    yield altered("state.npz: NaN", RESUME, members(state, nan), ("state.npz", "--learning-rate"), codes=(2, 1))
    yield altered("start.npz: NaN", RESUME, members(start, nan), ("start.npz",), ends="either")
    yield altered(
        "pretrained.npz: NaN", LENT, members(pretrained, nan), ("pretrained", "--learning-rate"), codes=(2, 1)
    )
    yield altered("state.npz: cut", RESUME, cut(state, 0.5), ("state.npz",))
    yield altered("state.npz: a folder", RESUME, folder_at(state), ("state.npz",))
    yield altered("state.npz: a pipe", RESUME, pipe_at(state), ("state.npz",))
    yield altered("state.npz: 600 MB", RESUME, lambda run: (run / state).write_bytes(bomb(600)), ("state.npz",))
    yield altered(
        "start.npz: groups, of an older version",
        RESUME,
        members(start, lambda found: {**found, "groups": np.zeros(len(found["P"]), "i4")}),
        ("start.npz", "older version"),
    )
    yield altered(
        "start.npz: variances below 0",
        RESUME,
        members(start, lambda found: {**found, "sigma2": -found["sigma2"]}),
        ("start.npz",),
        ends="either",
    )
    yield altered(
        "checkpoints: a file",
        RESUME,
        lambda run: (shutil.rmtree(run / "checkpoints"), (run / "checkpoints").write_text("x")),
        ("checkpoints", "half"),
        writes=("half",),
    )
    yield altered("checkpoints: gone", RESUME, gone("checkpoints"), ("checkpoints", "half"), ends="either")
    yield altered("pretrained.npz: gone", LENT, gone(pretrained), ("--pretrained", "pretrained"))


CHECKPOINTS: list[Case] = list(checkpoint_cases())
