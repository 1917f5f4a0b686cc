"""What cannot be used ends with exit code 2 and one line on stderr that names it, and nothing is written."""

import os
from pathlib import Path

import numpy as np
import promised
import pytest

ARRAY, TABLE = ["--data", "x.npy"], ["--data", "train.csv"]


def check(ended, named) -> None:
    assert ended.code == 2, ended
    assert ended.out == ""
    assert ended.err.endswith("\n")
    assert ended.err.count("\n") == 1, ended.err
    assert "Traceback" not in ended.err
    assert named in ended.err, ended.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([*ARRAY, "--clusters", 3, "--colour", "red"], "--colour"),
        (["--data", "x.docx", "--clusters", 3], "x.docx"),
        ([*TABLE, "--clusters", 3, "--labels", "kinds"], "kinds"),
        ([*TABLE, "--clusters", 3, "--columns", "length,hight"], "hight"),
        ([*TABLE, "--clusters", 3, "--drop", "nome"], "nome"),
        ([*TABLE, "--clusters", 3, "--id", "nome"], "nome"),
        ([*ARRAY, "--clusters", 301], "--clusters"),
        ([*ARRAY, "--clusters", 0], "--clusters"),
        ([*ARRAY, "--clusters", "many"], "--clusters"),
        ([*ARRAY], "--clusters"),
        ([*ARRAY, "--clusters", 3, "--model", "som"], "--model"),
        ([*ARRAY, "--clusters", 3, "--epochs", "-1"], "--epochs"),
        ([*ARRAY, "--clusters", 3, "--hints", "few.npy"], "--hints"),
        (["--data", "nan.npy", "--clusters", 3], "nan.npy"),
        (["--dataset", "cifar"], "cifar"),
    ],
)
def test_train_refuses(words, named, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(rows)
    if not Path("nan.npy").exists():
        np.save("nan.npy", np.full((30, 3), np.nan))
        np.save("few.npy", np.zeros(7, int))
        Path("x.docx").write_text("rows")
    check(promised.command("train.py", *words, "--out", tmp_path / "run"), named)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["vade_tf", "predict", "RUN", "--data", "none.csv"], "none.csv"),
        (["vade_tf", "predict", "RUN", "--data", "less.csv"], "weight"),
        (["vade_tf", "predict", "RUN", "--data", "train.csv", "--id", "nome"], "nome"),
        (["vade_tf", "predict", "RUN", "--data", "x.npy"], "--data"),
        (["vade_tf", "predict", "RUN"], "--data"),
        (["vade_tf", "predict", "RUN", "--sample", 0], "--sample"),
        (["vade_tf", "predict", "RUN", "--sample", 2, "--cluster", 3], "--cluster"),
        (["vade_tf", "predict", "RUN", "--data", "train.csv", "--out", "RUN/config.json"], "--out"),
        (["vade_tf", "predict", "nowhere", "--data", "train.csv"], "nowhere"),
        (["vade_tf", "export", "nowhere", "--to", "models"], "nowhere"),
        (["vade_tf", "export", "RUN", "--to", "models", "--version", 0], "--version"),
        (["evaluate.py", "nowhere"], "nowhere"),
        (["evaluate.py", "RUN", "--colour"], "--colour"),
        (["evaluate.py", "RUN", "--data", "none.csv"], "none.csv"),
    ],
)
def test_other_commands_refuse(words, named, finished, rows, monkeypatch):
    monkeypatch.chdir(rows)
    promised.table()[["name", "length", "width", "colour"]].to_csv("less.csv", index=False)
    before = sorted(finished.run.rglob("*"))
    check(promised.command(*(str(word).replace("RUN", str(finished.run)) for word in words)), named)
    assert sorted(finished.run.rglob("*")) == before
    assert not Path("models").exists()


@pytest.mark.parametrize("words", [["train.py", "--colour"], ["train.py", "--data", "none.npy", "--clusters", "3"]])
def test_a_process_says_one_line(words):
    running = promised.process(*words)
    out, err = running.communicate()
    check(promised.Ended(running.returncode, out, err), words[-1] if len(words) == 2 else "none.npy")


def test_a_full_disk_ends_with_2(finished, rows):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = promised.command("vade_tf", "predict", finished.run, "--data", rows / "train.csv", out=full)
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_a_closed_pipe_ends_with_1(finished, rows):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        ended = promised.command("vade_tf", "predict", finished.run, "--data", rows / "train.csv", out=pipe)
    assert ended.code == 1
    assert "Traceback" not in ended.err
