"""Flags: numbers out of range, paths that are none, what does not go together, and the files that flags name."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .arrays import PICKLED, WHOLE, X, Y, npy, saved, zipped
from .case import TINY, Case
from .texts import csv

DATA = ("--data", "rows.npz", "--clusters", "3")
INTEGERS = (
    "--clusters", "--latent-dim", "--batch-size", "--pretrain-epochs", "--epochs", "--decay-epochs", "--guide-epochs",
    "--regroups", "--seed", "--restart", "--limit", "--seeds", "--restarts",
)  # fmt: skip
FROM_ZERO = ("--pretrain-epochs", "--guide-epochs", "--regroups", "--seed", "--restart")
FLOATS = ("--learning-rate", "--decay", "--adam-epsilon", "--guide-weight", "--held-out")
NO_NUMBERS = ("-1", "nan", "", "ten", "1.5", "0x10", "1e3", "--", "inf", "1" * 5000, "\u00bd", "3\0", " ")
NO_FLOATS = ("-1", "nan", "inf", "", "ten", "1,5", "1e400", "\u00bd", "0x1p3")


def trains(name: str, argv: tuple[str, ...], names: tuple[str, ...], make=None, **facts) -> Case:
    """`train` with these flags, the tiny settings after them unless they are among the flags."""
    pairs = [pair for pair in zip(TINY[::2], TINY[1::2], strict=False) if pair[0] not in argv and pair[0] != "--no-export"]
    tiny = [word for pair in pairs for word in pair]
    return Case(f"train {name}", "train", (*argv, *tiny, "--no-export", "--quiet"), names, make=make, **facts)


def shown(value: str) -> str:
    """A value in the name of a case."""
    return ascii(value if len(value) < 20 else f"{value[:9]}...")


def numbers() -> Iterator[Case]:
    for flag in INTEGERS:
        for value in (*NO_NUMBERS, *(() if flag in FROM_ZERO else ("0",))):
            given = ("--data", "rows.npz", flag, value) if flag == "--clusters" else (*DATA, flag, value)
            yield trains(f"{flag} {shown(value)}", (*given, "--out", "out"), (flag,))
    for flag in FLOATS:
        for value in (*NO_FLOATS, *(() if flag in ("--guide-weight", "--held-out") else ("0",))):
            yield trains(f"{flag} {shown(value)}", (*DATA, flag, value, "--out", "out"), (flag,))
    huge = str(10**20)
    for flag in ("--clusters", "--latent-dim", "--seed", "--seeds", "--restarts", "--pretrain-epochs", "--epochs"):
        given = ("--data", "rows.npz", flag, huge) if flag == "--clusters" else (*DATA, flag, huge)
        yield trains(f"{flag} 10^20", (*given, "--out", "out"), (flag,))
    for flag in ("--batch-size", "--limit", "--guide-epochs", "--regroups", "--decay-epochs", "--restart"):
        yield trains(f"{flag} 10^20", (*DATA, flag, huge, "--out", "out"), (flag,), ends="either")
    for flag in ("--learning-rate", "--adam-epsilon", "--guide-weight", "--decay"):
        argv = (*DATA, flag, "1e300", "--out", "out")
        yield trains(f"{flag} 1e300", argv, (flag, "--learning-rate"), ends="either", codes=(2, 1))
    yield trains("--hidden 10^9", (*DATA, "--hidden", "1000000000,1000000000", "--out", "out"), ("--hidden",))
    yield trains("--latent-dim 10^9", (*DATA, "--latent-dim", "1000000000", "--out", "out"), ("--latent-dim",))
    yield trains("--clusters arabic", ("--data", "rows.npz", "--clusters", "\u0663", "--out", "out"), ("--clusters",), ends="either")
    yield trains("--clusters 61", ("--data", "rows.npz", "--clusters", "61", "--out", "out"), ("--clusters",))
    yield trains("--held-out 1", (*DATA, "--held-out", "1", "--out", "out"), ("--held-out",))
    yield trains("--held-out 0.999", (*DATA, "--held-out", "0.999", "--out", "out"), ("--held-out", "--clusters"))
    yield trains("--held-out 1e-9", (*DATA, "--held-out", "1e-9", "--out", "out"), ("--held-out",))
    yield trains("--limit 2", (*DATA, "--limit", "2", "--out", "out"), ("--clusters", "--limit"))
    yield trains("--seed 2^31", (*DATA, "--seed", str(2**31), "--out", "out"), ("--seed",))
    seeds = ("--seed", str(2**31 - 1), "--seeds", "2", "--out", "out")
    yield trains("--seeds beyond the last", (*DATA, *seeds), ("--seeds",))
    for value in ("5:", ":5", "5:3", "3:3", "2:4:0", "2:4:-1", "1:2:3:4", "2-4", "2,4", "0:3", "a:b", "2:4:", "::", "2:1e9", "2:10000000000"):
        yield trains(f"--clusters {value}", ("--data", "rows.npz", "--clusters", value, "--out", "out"), ("--clusters",))
    for value in ("", "0", "a,b", ",", "8,,8", "8,8,", "-8", "1.5", "8 8", "[8,8]", "8;8", "8,0"):
        yield trains(f"--hidden {shown(value)}", (*DATA, "--hidden", value, "--out", "out"), ("--hidden",))
    for flag in ("--recipe", "--likelihood", "--schedule", "--init", "--precision", "--jit", "--dataset", "--model"):
        for value in ("", "none of them", "\x1b[2J", "[bold]"):
            given = ("--clusters", "3") if flag == "--dataset" else DATA
            yield trains(f"{flag} {shown(value)}", (*given, flag, value, "--out", "out"), (flag,))
    yield trains("--dataset of a long name", ("--dataset", "x" * 5000, "--clusters", "3", "--out", "out"), ("--dataset",))


def conflicts() -> Iterator[Case]:
    for name, argv, names in (
        ("both data and dataset", (*DATA, "--dataset", "mnist"), ("--data",)),
        ("labels of a data set", ("--dataset", "mnist", "--labels", "y"), ("--labels",)),
        ("seeds and restarts", (*DATA, "--seeds", "2", "--restarts", "2"), ("--seeds",)),
        ("a range and seeds", ("--data", "rows.npz", "--clusters", "2:3", "--seeds", "2"), ("--seeds",)),
        ("a range of another system", ("--data", "rows.npz", "--clusters", "2:3", "--model", "kmeans"), ("--clusters",)),
        ("restarts of another system", (*DATA, "--restarts", "2", "--model", "dec"), ("--restarts",)),
        ("resume with settings", ("--resume", "half", "--epochs", "3"), ("--resume",)),
        ("resume with a folder", ("--resume", "half", "--out", "out"), ("--resume",)),
        ("resume with seeds", ("--resume", "half", "--seeds", "2"), ("--resume",)),
        ("pretrained for another system", (*DATA, "--pretrained", "run", "--model", "kmeans"), ("--pretrained",)),
        ("hints and a limit", (*DATA, "--hints", "h.npy", "--limit", "30"), ("--hints",)),
        ("hints and rows aside", (*DATA, "--hints", "h.npy", "--held-out", "0.5"), ("--hints",)),
        ("hints for another system", (*DATA, "--hints", "h.npy", "--model", "gmm"), ("--hints",)),
        ("hints and a range", ("--data", "rows.npz", "--clusters", "2:3", "--hints", "h.npy"), ("--hints",)),
        ("hints and restarts", (*DATA, "--hints", "h.npy", "--restarts", "2"), ("--restarts", "--hints")),
        ("no K", ("--data", "rows.npz"), ("--clusters",)),
        ("a shortened flag", (*DATA, "--epoch", "3"), ("--epoch",)), ("an unknown flag", (*DATA, "--gpu", "1"), ("--gpu",)),
        ("a word too many", (*DATA, "more"), ("more",)), ("a flag without its value", ("--data", "--clusters", "3"), ("--data",)),
        ("an escape for a flag", (*DATA, "--\x1b[2J"), ("unrecognized",)), ("a long word", (*DATA, "w" * 5000), ("unrecognized",)),
        ("a null byte for a word", (*DATA, "\0"), ("unrecognized",)), ("a surrogate", (*DATA, os.fsdecode(b"\xff")), ("unrecognized",)),
    ):  # fmt: skip
        yield Case(f"train: {name}", "train", (*argv, "--quiet"), names)
    for command in ("evaluate", "predict", "export"):
        for name, argv in {"nothing": (), "an unknown flag": ("run", "--gpu"), "an empty word": ("",), "a null byte": ("a\0b",)}.items():
            more = {"predict": ("--data", "rows.npy"), "export": ("--to", "models")}.get(command, ()) * bool(argv)
            yield Case(f"{command}: {name}", command, (*argv, *more), ("RUN", "--gpu", "run folder", "required", "a"))


NAMES = {
    "nothing": "", "a null byte": "a\0b", "too long": "d" * 300, "far too long": "d/" * 5000, "a file": "rows.npy",
    "below a file": "rows.npy/out", "below a device": "/dev/null/out", "a link to itself": "loop", "below a loop": "loop/out",
    "a folder in use": "used", "a link to nowhere": "dangling/out",
}  # fmt: skip
ODD = {
    "a surrogate": os.fsdecode(b"\xff"), "an end of line": "a\nb", "markup": "[bold]x[/x]", "a closing tag": "[/x]", "an escape": "\x1b[2J",
    "a dash": "./-out", "spaces": "  ", "a long path": "d/" * 40 + "out", "a tilde": "~", "a quote": "it's \"one\"",
}  # fmt: skip


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
        yield trains(f"--out {name}", (*DATA, "--out", value), *about, ends="either" if name == "a link to nowhere" else "refused")
        if name != "a file":  # an existing file is replaced
            yield Case(f"predict --out {name}", "predict", ("run", "--data", "rows.npy", "--out", value), ("--out",), make=used, needs=("run",))  # fmt: skip
        if name != "a folder in use":  # versions and reports lie beside other files
            yield Case(f"export --to {name}", "export", ("run", "--to", value), ("--to",), make=used, needs=("run",),
                       ends="either" if name == "a link to nowhere" else "refused", writes=("nowhere",))  # fmt: skip
            yield Case(f"evaluate --out {name}", "evaluate", ("run", "--out", value, "--quiet"), ("--out",), make=used, needs=("run",),
                       ends="either" if name == "a link to nowhere" else "refused", writes=("nowhere",))  # fmt: skip
    for name, value in ODD.items():
        yield Case(f"predict --out of {name}", "predict", ("run", "--data", "rows.npy", "--out", value, "--quiet"), ("--out",),
                   needs=("run",), ends="either", make=lambda place, value=value: Path(value).parent.mkdir(parents=True, exist_ok=True))  # fmt: skip
    for name in ("a surrogate", "an end of line", "a closing tag", "an escape"):
        yield Case(f"train --out of {name}", "train", (*DATA, "--out", ODD[name], *TINY[:-1]), ("--out",), ends="either")
        yield Case(f"export --to of {name}", "export", ("run", "--to", ODD[name]), ("--to",), needs=("run",), ends="either")
    yield Case("predict --out, the data themselves", "predict", ("run", "--data", "rows.npy", "--out", "rows.npy"), ("--out",), needs=("run",))
    for version in ("0", "-1", "1.5", "", "one", "10" * 200, "\u0661"):
        argv, ends = ("run", "--to", "models", "--version", version), "either" if version == "\u0661" else "refused"
        yield Case(f"export --version {shown(version)}", "export", argv, ("--version",), needs=("run",), ends=ends)
    yield Case("export --version that is there", "export", ("run", "--to", "models"), ("--version",), needs=("run",),
               make=lambda place: (place / "models" / "1").mkdir(parents=True))  # fmt: skip


WHERE = {
    "nothing": "", "a null byte": "a\0", "nowhere": "nowhere", "a file": "rows.npy", "an empty folder": "empty", "too long": "d" * 300,
    "a loop": "loop", "a surrogate": os.fsdecode(b"\xff"), "an end of line": "a\nb", "markup": "[/x]", "a device": "/dev/null",
    "an escape": "\x1b[2J",
}  # fmt: skip


def sources() -> Iterator[Case]:
    """Where runs, rows and hints come from."""

    def empty(folder: Path) -> None:
        used(folder)
        (folder / "empty").mkdir()

    for name, value in WHERE.items():
        about = {"make": empty, "needs": ("run",)}
        yield Case(f"train --resume {name}", "train", ("--resume", value, "--quiet"), ("--resume", "run folder"), make=empty)
        yield trains(f"--pretrained {name}", (*DATA, "--pretrained", value, "--out", "out"), ("--pretrained", "run folder"), make=empty)
        yield trains(f"--hints {name}", (*DATA, "--hints", value, "--out", "out"), ("--hints",), make=empty)
        yield trains(f"--data {name}", ("--data", value, "--clusters", "3", "--out", "out"), ("--data",), make=empty)
        yield trains(f"--labels {name}", (*DATA, "--labels", value, "--out", "out"), ("--labels",), make=empty)
        yield Case(f"evaluate {name}", "evaluate", (value,), ("run folder",), make=empty)
        yield Case(f"predict {name}", "predict", (value, "--data", "rows.npy"), ("run folder",), make=empty)
        yield Case(f"export {name}", "export", (value, "--to", "models"), ("run folder",), make=empty)
        if name != "a file":  # that one holds rows
            argv = ("run", "--data", value, "--no-figures", "--quiet")
            yield Case(f"evaluate --data {name}", "evaluate", argv, ("--data",), **about)
    for name, content in {
        "too few": saved(Y[:9]), "of floats": saved(Y + 0.5), "beyond K": saved(Y + 1), "below -1": saved(Y - 2), "of 2^64 - 1":
        saved(np.full(60, 2**64 - 1, "u8")), "of two columns": saved(np.stack([Y, Y], 1)), "objects that run": PICKLED, "of texts":
        saved(np.array(["a"] * 60)), "of dates": saved(Y.astype("M8[s]")), "a number": saved(np.int64(1)), "empty": b"", "a text": b"1\n2\n",
        "cut": WHOLE[:90], "of 364 TiB": npy("<i8", (5 * 10**13,)), "a zip": zipped({"y.npy": saved(Y)}), "structured":
        saved(np.zeros(60, [("a", "i4")])), "of no entry": saved(Y[:0]), "of booleans": saved(Y > 0),
    }.items():  # fmt: skip
        argv = (*DATA, "--hints", "h.npy", "--out", "out")
        yield trains(f"--hints {name}", argv, ("--hints", "h.npy"), make=lambda place, content=content: (place / "h.npy").write_bytes(content))
    for name in ("x.txt", "x", "x.NPY", ".npy", "x.npy ", "x.pkl", "-", "https://a.b/x.npy"):
        argv = ("--data", name, "--clusters", "3", "--out", "out")
        yield trains(f"--data called {name!r}", argv, ("--data",), make=lambda place: [(place / n).write_bytes(WHOLE) for n in ("x.txt", "x.NPY")])
    odd = (
        ("train", ("--data", "run", "--clusters", "3", "--out", "out"), ("--data",)), ("train", ("--resume", "run"), ("--resume",)),
        ("predict", ("half", "--data", "rows.npy"), ("--resume",)),
        ("evaluate", ("half", "--quiet"), ("--resume", "model.keras", "half")), ("export", ("half", "--to", "models"), ("half",)),
        ("predict", ("seeds", "--data", "rows.npy"), ("seeds",)), ("export", ("seeds", "--to", "models"), ("seeds",)),
        ("evaluate", ("run", "--test", "--quiet"), ("--test",)), 
        ("evaluate", ("run", "--labels", "y"), ("--labels",)), ("evaluate", ("run", "nowhere", "--quiet"), ("nowhere",)),
        ("evaluate", ("run", "--data", "rows.npy", "--test"), ("--data",)), ("predict", ("run", "--data", "run"), ("--data",)),
    )  # fmt: skip
    for command, argv, names in odd:
        needs = tuple(name for name in ("run", "half", "seeds") if name in argv)
        yield Case(f"{command} {' '.join(argv)}", command, argv, names, needs=needs)
    yield Case("train --resume of finished seeds", "train", ("--resume", "seeds", "--quiet"), ("--resume",), needs=("seeds",), ends="either")
    argv = ("run", "--data-dir", "nowhere", "--no-figures", "--json", "--quiet")  # the run's data are a file
    yield Case("evaluate --data-dir nowhere", "evaluate", argv, ("--data-dir",), needs=("run",), ends="either")


FLAGS: list[Case] = [*numbers(), *conflicts(), *places(), *sources()]
_ = (X, csv)
