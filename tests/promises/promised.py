"""What the promises share: the commands as they are typed, and made rows whose groups lie clearly apart.

Knows the package by what README and the first page of the docs name: `train.py`, `evaluate.py`, `python -m vade_tf`
and the names of `vade_tf`. It must not import an inner module.
"""

import io
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {"hidden": (16, 16), "pretrain_epochs": 10, "epochs": 10, "batch_size": 64, "learning_rate": 0.01}
BRIEF = "--hidden 16,16 --batch-size 64 --learning-rate 0.01"  # as SETTINGS
SHORT = f"{BRIEF} --pretrain-epochs 10 --epochs 10 --quiet".split()
MODULE = "vade_tf"


@dataclass
class Ended:
    """How a command ended: exit code, and what it wrote."""

    code: int
    out: str
    err: str


def command(*words, out=None) -> Ended:
    """Type a command in this process, which saves the start of TensorFlow. A traceback fails the test.

    Args:
        words: "train.py", "evaluate.py" or "vade_tf" (`python -m vade_tf`), and its arguments.
        out: stream in the place of stdout.
    """
    program, *rest = map(str, words)
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out or stdout), redirect_stderr(stderr):
        patch.setattr(sys, "argv", [program, *rest])
        patch.setattr(os, "_exit", sys.exit)
        run, place = (runpy.run_module, MODULE) if program == MODULE else (runpy.run_path, str(ROOT / program))
        with pytest.raises(SystemExit) as end:
            run(place, run_name="__main__")
    texts = [stream.buffer.getvalue().decode() for stream in (stdout, stderr)]
    return Ended(end.value.code or 0, *texts)


def done(*words) -> str:
    """Type a command that has to succeed, in this process; what it printed."""
    ended = command(*words)
    assert ended.code == 0, ended.err
    return ended.out


def train(*words) -> None:
    """Type a short training that has to succeed, in this process."""
    done("train.py", *SHORT, *words)


def process(*words) -> subprocess.Popen:
    """Type a command in a process of its own."""
    program, *rest = map(str, words)
    start = ["-m", MODULE] if program == MODULE else [program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *start, *rest], cwd=ROOT, **pipes)


def blobs(n: int = 300, width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three Gaussian groups, eight standard deviations apart: rows float32 [n, width], their groups int [n]."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(n) % 3)
    return (8 * np.eye(3, width)[y] + random.normal(size=(n, width))).astype("f4"), y


def table(n: int = 300, seed: int = 0) -> pandas.DataFrame:
    """The same groups as a table: a name, three numbers, a colour, and the group in words."""
    x, y = blobs(n, 3, seed)
    words = np.array(["low", "middle", "high"])[y]
    colour = np.array(["red", "green", "blue"])[y]
    columns = dict(zip(("length", "width", "weight"), x.round(3).T.astype(float), strict=True))
    return pandas.DataFrame({"name": [f"thing {i}" for i in range(n)], **columns, "colour": colour, "kind": words})


def with_holes(rows: pandas.DataFrame) -> pandas.DataFrame:
    """The same table; every fifth row has no width, every seventh no colour."""
    rows = rows.copy()
    rows.loc[rows.index % 5 == 0, "width"] = np.nan
    rows.loc[rows.index % 7 == 0, "colour"] = None
    return rows


def pictures(n: int = 90, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Grey images of three kinds, a bar at the top, on the left or at the right: uint8 [n, side, side], kinds [n]."""
    random = np.random.default_rng(0)
    y = np.arange(n) % 3
    images = random.integers(0, 60, (n, side, side))
    for image, kind in zip(images, y, strict=True):
        bar = (slice(0, side // 3), slice(None)) if kind == 0 else (slice(None), slice(0, side // 3))
        image[:, ::-1][bar] += 190 * (kind == 2)
        image[bar] += 190 * (kind != 2)
    return images.astype(np.uint8), y


def assignments(run: Path) -> pandas.DataFrame:
    return pandas.read_csv(run / "assignments.csv")
