"""Where results go, and where runs, rows, labels and hints come from: paths that are none, and files of other kinds."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .arrays import PICKLED, WHOLE, Y, npy, saved, zipped
from .case import TINY, Case
from .flags import DATA, shown, trains

NAMES = {
    "nothing": "",
    "a null byte": "a\0b",
    "too long": "d" * 300,
    "far too long": "d/" * 5000,
    "a file": "rows.npy",
    "below a file": "rows.npy/out",
    "below a device": "/dev/null/out",
    "a link to itself": "loop",
    "below a loop": "loop/out",
    "a folder in use": "used",
    "a link to nowhere": "dangling/out",
}
ODD = {
    "a surrogate": os.fsdecode(b"\xff"),
    "an end of line": "a\nb",
    "markup": "[bold]x[/x]",
    "a closing tag": "[/x]",
    "an escape": "\x1b[2J",
    "a dash": "./-out",
    "spaces": "  ",
    "a long path": "d/" * 40 + "out",
    "a tilde": "~",
    "a quote": 'it\'s "one"',
}


def used(folder: Path) -> None:
    """A folder in use, a link to itself and one to nowhere."""
    (folder / "used").mkdir()
    (folder / "used" / "thesis.txt").write_text("words")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")


def places() -> Iterator[Case]:
    """Where results go."""
    for name, value in NAMES.items():
        about = (("--out",), used)
        yield trains(
            f"--out {name}",
            (*DATA, "--out", value),
            *about,
            ends="either" if name == "a link to nowhere" else "refused",
        )
        if name != "a file":  # an existing file is replaced
            yield Case(
                f"predict --out {name}",
                "predict",
                ("run", "--data", "rows.npy", "--out", value),
                ("--out",),
                make=used,
                needs=("run",),
            )
        if name != "a folder in use":  # versions and reports lie beside other files
            yield Case(
                f"export --to {name}",
                "export",
                ("run", "--to", value),
                ("--to",),
                make=used,
                needs=("run",),
                ends="either" if name == "a link to nowhere" else "refused",
                writes=("nowhere",),
            )
            yield Case(
                f"evaluate --out {name}",
                "evaluate",
                ("run", "--out", value, "--quiet"),
                ("--out",),
                make=used,
                needs=("run",),
                ends="either" if name == "a link to nowhere" else "refused",
                writes=("nowhere",),
            )
    for name, value in ODD.items():
        yield Case(
            f"predict --out of {name}",
            "predict",
            ("run", "--data", "rows.npy", "--out", value, "--quiet"),
            ("--out",),
            needs=("run",),
            ends="either",
            make=lambda place, value=value: Path(value).parent.mkdir(parents=True, exist_ok=True),
        )
    for name in ("a surrogate", "an end of line", "a closing tag", "an escape"):
        yield Case(
            f"train --out of {name}", "train", (*DATA, "--out", ODD[name], *TINY[:-1]), ("--out",), ends="either"
        )
        yield Case(
            f"export --to of {name}", "export", ("run", "--to", ODD[name]), ("--to",), needs=("run",), ends="either"
        )
    yield Case(
        "predict --out, the data themselves",
        "predict",
        ("run", "--data", "rows.npy", "--out", "rows.npy"),
        ("--out",),
        needs=("run",),
    )
    for version in ("0", "-1", "1.5", "", "one", "10" * 200, "\u0661"):
        argv, ends = ("run", "--to", "models", "--version", version), "either" if version == "\u0661" else "refused"
        yield Case(f"export --version {shown(version)}", "export", argv, ("--version",), needs=("run",), ends=ends)
    yield Case(
        "export --version that is there",
        "export",
        ("run", "--to", "models"),
        ("--version",),
        needs=("run",),
        make=lambda place: (place / "models" / "1").mkdir(parents=True),
    )


WHERE = {
    "nothing": "",
    "a null byte": "a\0",
    "nowhere": "nowhere",
    "a file": "rows.npy",
    "an empty folder": "empty",
    "too long": "d" * 300,
    "a loop": "loop",
    "a surrogate": os.fsdecode(b"\xff"),
    "an end of line": "a\nb",
    "markup": "[/x]",
    "a device": "/dev/null",
    "an escape": "\x1b[2J",
}


def sources() -> Iterator[Case]:
    """Where runs, rows and hints come from."""

    def empty(folder: Path) -> None:
        used(folder)
        (folder / "empty").mkdir()

    for name, value in WHERE.items():
        about = {"make": empty, "needs": ("run",)}
        yield Case(
            f"train --resume {name}", "train", ("--resume", value, "--quiet"), ("--resume", "run folder"), make=empty
        )
        yield trains(
            f"--pretrained {name}",
            (*DATA, "--pretrained", value, "--out", "out"),
            ("--pretrained", "run folder"),
            make=empty,
        )
        yield trains(f"--hints {name}", (*DATA, "--hints", value, "--out", "out"), ("--hints",), make=empty)
        if name != "a file":  # that one holds rows
            argv = ("--data", value, "--clusters", "3", "--out", "out")
            yield trains(f"--data {name}", argv, ("--data",), make=empty)
        yield trains(f"--labels {name}", (*DATA, "--labels", value, "--out", "out"), ("--labels",), make=empty)
        yield Case(f"evaluate {name}", "evaluate", (value,), ("run folder", "RUN"), make=empty)
        yield Case(f"predict {name}", "predict", (value, "--data", "rows.npy"), ("run folder", "RUN"), make=empty)
        yield Case(f"export {name}", "export", (value, "--to", "models"), ("run folder", "RUN"), make=empty)
        if name != "a file":  # that one holds rows
            argv = ("run", "--data", value, "--no-figures", "--quiet")
            yield Case(f"evaluate --data {name}", "evaluate", argv, ("--data",), **about)
    for name, content in {
        "too few": saved(Y[:9]),
        "of floats": saved(Y + 0.5),
        "beyond K": saved(Y + 1),
        "below -1": saved(Y - 2),
        "of 2^64 - 1": saved(np.full(60, 2**64 - 1, "u8")),
        "of two columns": saved(np.stack([Y, Y], 1)),
        "objects that run": PICKLED,
        "of texts": saved(np.array(["a"] * 60)),
        "of dates": saved(Y.astype("M8[s]")),
        "a number": saved(np.int64(1)),
        "empty": b"",
        "a text": b"1\n2\n",
        "cut": WHOLE[:90],
        "of 364 TiB": npy("<i8", (5 * 10**13,)),
        "a zip": zipped({"y.npy": saved(Y)}),
        "structured": saved(np.zeros(60, [("a", "i4")])),
        "of no entry": saved(Y[:0]),
        "of booleans": saved(Y > 0),
    }.items():
        argv = (*DATA, "--hints", "h.npy", "--out", "out")
        yield trains(
            f"--hints {name}",
            argv,
            ("--hints", "h.npy"),
            make=lambda place, content=content: (place / "h.npy").write_bytes(content),
        )
    yield trains(
        "--hints a pipe",
        (*DATA, "--hints", "h.npy", "--out", "out"),
        ("--hints",),
        make=lambda place: os.mkfifo(place / "h.npy"),
    )
    for name in ("x.txt", "x", ".npy", "x.npy ", "x.pkl", "-", "https://a.b/x.npy"):
        argv = ("--data", name, "--clusters", "3", "--out", "out")
        yield trains(
            f"--data called {name!r}",
            argv,
            ("--data",),
            make=lambda place: (place / "x.txt").write_bytes(WHOLE),
        )
    odd = (
        ("train", ("--data", "run", "--clusters", "3", "--out", "out"), ("--data",)),
        ("train", ("--resume", "run"), ("--resume",)),
        ("predict", ("half", "--data", "rows.npy"), ("--resume",)),
        ("evaluate", ("half", "--quiet"), ("--resume", "model.keras", "half")),
        ("export", ("half", "--to", "models"), ("half",)),
        ("predict", ("seeds", "--data", "rows.npy"), ("seeds",)),
        ("export", ("seeds", "--to", "models"), ("seeds",)),
        ("evaluate", ("run", "--test", "--quiet"), ("--test",)),
        ("evaluate", ("run", "--labels", "y"), ("--labels",)),
        ("evaluate", ("run", "nowhere", "--quiet"), ("nowhere",)),
        ("evaluate", ("run", "--data", "rows.npy", "--test"), ("--data",)),
        ("predict", ("run", "--data", "run"), ("--data",)),
    )
    for command, argv, names in odd:
        needs = tuple(name for name in ("run", "half", "seeds") if name in argv)
        yield Case(f"{command} {' '.join(argv)}", command, argv, names, needs=needs)
    yield Case(
        "train --resume of finished seeds",
        "train",
        ("--resume", "seeds", "--quiet"),
        ("--resume",),
        needs=("seeds",),
        ends="either",
    )
    argv = ("run", "--data-dir", "nowhere", "--no-figures", "--json", "--quiet")  # the run's data are a file
    yield Case("evaluate --data-dir nowhere", "evaluate", argv, ("--data-dir",), needs=("run",), ends="either")


PLACES: list[Case] = [*places(), *sources()]
