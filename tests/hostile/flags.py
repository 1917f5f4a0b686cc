"""Flags: numbers out of range, paths that are none, what does not go together, and the files that flags name."""

import os
from collections.abc import Iterator

from .case import TINY, Case

DATA = ("--data", "rows.npz", "--clusters", "3")
INTEGERS = (
    "--clusters",
    "--latent-dim",
    "--batch-size",
    "--pretrain-epochs",
    "--epochs",
    "--decay-epochs",
    "--guide-epochs",
    "--regroups",
    "--seed",
    "--restart",
    "--limit",
    "--seeds",
    "--restarts",
)
FROM_ZERO = ("--pretrain-epochs", "--guide-epochs", "--regroups", "--seed", "--restart")
FLOATS = ("--learning-rate", "--decay", "--adam-epsilon", "--guide-weight", "--held-out")
NO_NUMBERS = ("-1", "nan", "", "ten", "1.5", "0x10", "1e3", "--", "inf", "1" * 5000, "\u00bd", "3\0", " ")
NO_FLOATS = ("-1", "nan", "inf", "", "ten", "1,5", "1e400", "\u00bd", "0x1p3")


def trains(name: str, argv: tuple[str, ...], names: tuple[str, ...], make=None, **facts) -> Case:
    """`train` with these flags, the tiny settings after them unless they are among the flags."""
    pairs = [
        pair for pair in zip(TINY[::2], TINY[1::2], strict=False) if pair[0] not in argv and pair[0] != "--no-export"
    ]
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
    yield trains(
        "--clusters arabic",
        ("--data", "rows.npz", "--clusters", "\u0663", "--out", "out"),
        ("--clusters",),
        ends="either",
    )
    yield trains("--clusters 61", ("--data", "rows.npz", "--clusters", "61", "--out", "out"), ("--clusters",))
    yield trains("--held-out 1", (*DATA, "--held-out", "1", "--out", "out"), ("--held-out",))
    yield trains("--held-out 0.999", (*DATA, "--held-out", "0.999", "--out", "out"), ("--held-out", "--clusters"))
    yield trains("--held-out 1e-9", (*DATA, "--held-out", "1e-9", "--out", "out"), ("--held-out",))
    yield trains("--limit 2", (*DATA, "--limit", "2", "--out", "out"), ("--clusters", "--limit"))
    yield trains("--seed 2^31", (*DATA, "--seed", str(2**31), "--out", "out"), ("--seed",))
    seeds = ("--seed", str(2**31 - 1), "--seeds", "2", "--out", "out")
    yield trains("--seeds beyond the last", (*DATA, *seeds), ("--seeds",))
    for value in (
        "5:",
        ":5",
        "5:3",
        "3:3",
        "2:4:0",
        "2:4:-1",
        "1:2:3:4",
        "2-4",
        "2,4",
        "0:3",
        "a:b",
        "2:4:",
        "::",
        "2:1e9",
        "2:10000000000",
    ):
        yield trains(
            f"--clusters {value}", ("--data", "rows.npz", "--clusters", value, "--out", "out"), ("--clusters",)
        )
    for value in ("", "0", "a,b", ",", "8,,8", "8,8,", "-8", "1.5", "8 8", "[8,8]", "8;8", "8,0"):
        yield trains(f"--hidden {shown(value)}", (*DATA, "--hidden", value, "--out", "out"), ("--hidden",))
    for flag in ("--recipe", "--likelihood", "--schedule", "--init", "--precision", "--jit", "--dataset", "--model"):
        for value in ("", "none of them", "\x1b[2J", "[bold]"):
            given = ("--clusters", "3") if flag == "--dataset" else DATA
            yield trains(f"{flag} {shown(value)}", (*given, flag, value, "--out", "out"), (flag,))
    yield trains(
        "--dataset of a long name", ("--dataset", "x" * 5000, "--clusters", "3", "--out", "out"), ("--dataset",)
    )


def conflicts() -> Iterator[Case]:
    for name, argv, names in (
        ("both data and dataset", (*DATA, "--dataset", "mnist"), ("--data",)),
        ("labels of a data set", ("--dataset", "mnist", "--labels", "y"), ("--labels",)),
        ("seeds and restarts", (*DATA, "--seeds", "2", "--restarts", "2"), ("--seeds",)),
        ("a range and seeds", ("--data", "rows.npz", "--clusters", "2:3", "--seeds", "2"), ("--seeds",)),
        (
            "a range of another system",
            ("--data", "rows.npz", "--clusters", "2:3", "--model", "kmeans"),
            ("--clusters",),
        ),
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
        ("a shortened flag", (*DATA, "--epoch", "3"), ("--epoch",)),
        ("an unknown flag", (*DATA, "--gpu", "1"), ("--gpu",)),
        ("a word too many", (*DATA, "more"), ("more",)),
        ("a flag without its value", ("--data", "--clusters", "3"), ("--data",)),
        ("an escape for a flag", (*DATA, "--\x1b[2J"), ("unrecognized",)),
        ("a long word", (*DATA, "w" * 5000), ("unrecognized",)),
        ("a null byte for a word", (*DATA, "\0"), ("unrecognized",)),
        ("a surrogate", (*DATA, os.fsdecode(b"\xff")), ("unrecognized",)),
    ):
        yield Case(f"train: {name}", "train", (*argv, "--quiet"), names)
    for command in ("evaluate", "predict", "export"):
        for name, argv in {
            "nothing": (),
            "an unknown flag": ("run", "--gpu"),
            "an empty word": ("",),
            "a null byte": ("a\0b",),
        }.items():
            more = {"predict": ("--data", "rows.npy"), "export": ("--to", "models")}.get(command, ()) * bool(argv)
            yield Case(f"{command}: {name}", command, (*argv, *more), ("RUN", "--gpu", "run folder", "required", "a"))


FLAGS: list[Case] = [*numbers(), *conflicts()]
