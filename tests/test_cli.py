"""The command line in fresh processes: what is printed, what the exit code is, what is written."""

import io
import json
import os
import runpy
import shlex
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.cli import entry, train
from vade_tf.cli.command import answer, check_single, hushed
from vade_tf.cli.main import COMMANDS, main
from vade_tf.cli.speech import KINDS, flag
from vade_tf.errors import DivergedError, InputError, visible
from vade_tf.model.optimizer import FusedAdam
from vade_tf.runs.config import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
WITH_ROOT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(*arguments, cwd=ROOT):
    program = [sys.executable, str(ROOT / "train.py"), *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=240, cwd=cwd)


@pytest.fixture
def rows(tmp_path):
    r = np.random.default_rng(0)
    y = np.arange(60) % 3
    np.savez(tmp_path / "rows.npz", x=(5 * np.eye(3, 6)[y] + r.normal(size=(60, 6))).astype("f4"), y=y)
    return tmp_path / "rows.npz"


def check_shown(out):
    for words in ("Autoencoder", "Starting mixture", "VaDE", "ACC   NMI   ARI", "nats a row", "next", "runs/rows"):
        assert words in out
    assert "VaDE              epoch 2/2" in out  # no bars where stdout is no terminal
    assert "python evaluate.py runs/rows" in out
    assert len(out.splitlines()) <= 13


SETTINGS = ("--clusters", "3", "--pretrain-epochs", "2", "--epochs", "2", "--hidden", "16,8")


@pytest.mark.long
def test_a_normal_run_in_a_fresh_process_shows_no_more_and_ends_the_same(
    rows, tmp_path, monkeypatch, as_a_fresh_process
):
    done = command("--data", rows, *SETTINGS, "--no-export", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_shown(done.stdout)
    monkeypatch.chdir(tmp_path)
    assert train.main(["--data", str(rows), *SETTINGS, "--quiet", "--no-export"]) == 0
    first, second = (json.loads((tmp_path / "runs" / n / "metrics.json").read_text()) for n in ("rows", "rows-2"))
    assert first["elbo"] == second["elbo"]


def test_a_normal_run_shows_progress_and_a_table_and_nothing_else(rows, tmp_path, monkeypatch, capsys, eager):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--data", str(rows), *SETTINGS], "train.py") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    check_shown(shown.out)
    assert train.main(["--data", str(rows), *SETTINGS, "--quiet", "--no-export"]) == 0
    assert capsys.readouterr() == ("", "")
    first, second = (json.loads((tmp_path / "runs" / n / "metrics.json").read_text()) for n in ("rows", "rows-2"))
    assert (tmp_path / "runs" / "rows" / "export" / "1" / "saved_model.pb").exists()
    assert not (tmp_path / "runs" / "rows-2" / "export").exists()
    assert first["elbo"] == second["elbo"]  # the same seed, twice, and no folder was overwritten
    assert type(keras.models.load_model("runs/rows/model.keras").optimizer) is FusedAdam


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "imagenet"], "--dataset: expected one of"),
        (["--data", "rows.mat", "--clusters", "3"], "--data: expected a file ending in .npy"),
        (["--clusters", "0"], "--clusters: expected a whole number of at least 1, got 0"),
        (["--resume", "none"], "--resume: none: expected a run folder"),
        *(
            (["--resume", "runs/a", *more], "--resume: takes every setting from the run folder")
            for more in (["--epochs", "3"], ["--seeds", "2"], ["--restarts", "2"], ["--out", "b"])
        ),
        (["--seeds", "0"], "--seeds: expected a whole number of at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train.main(arguments, "train.py") == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"train.py: {message}")
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_mistake_in_a_fresh_process_is_still_one_line(tmp_path):
    """TensorFlow is loaded before the file is missed, and says nothing of its own."""
    done = command("--data", "none.npy", "--clusters", "3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "train.py: --data: expected an existing file, got none.npy, which is not there\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("error", "shown"), [(InputError("--data: of ours"), ""), (ImportError("theirs"), "noise")])
def test_what_libraries_say_while_they_load_is_shown_where_they_fail_alone(error, shown, capfd):
    def load():
        with hushed():
            os.write(2, b"noise")
            raise error

    with pytest.raises(type(error)):
        load()
    assert capfd.readouterr().err == shown


EVERY = """import sys; from vade_tf.cli.main import COMMANDS, main
for command in ([], *([each] for each in COMMANDS)):
    sys.argv = ["-c", *command, "--help"]
    try:
        sys.exit(main())
    except SystemExit as ended:
        assert not ended.code"""


@pytest.mark.parametrize("program", [["train.py"], ["evaluate.py"], ["-m", "vade_tf", "predict"], ["-c", EVERY]])
def test_help_needs_no_tensorflow_and_names_the_program_as_typed(program):
    """All commands of `vade-tf` in one process: what one of them loads stays loaded."""
    start = [sys.executable, "-X", "importtime"]
    done = subprocess.run([*start, *program, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {"tensorflow", "keras", "matplotlib", "scipy.stats"} & loaded
    every = [f"usage: vade-tf {name} " for name in ("COMMAND", *COMMANDS)]
    for typed in every if program[0] == "-c" else [f"python {' '.join(program)} "]:
        assert typed in done.stdout


def test_help_of_train_names_every_setting(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = capsys.readouterr().out
    kinds = "--augment digits|photos|none"
    for words in ("--pretrain-epochs", "default: 0.002", "robust", kinds, *map(flag, KINDS)):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grow"], "vade-tf: argument COMMAND: invalid choice: 'grow'"),
        (["train", "--epochs", "few"], "vade-tf train: argument --epochs: invalid int value: 'few'; see --help"),
        (["train", "--epoch", "3"], "vade-tf train: unrecognized arguments: --epoch 3; see --help"),
        (["train", "a\nb"], "vade-tf train: unrecognized arguments: a b; see --help"),
        (["evaluate"], "vade-tf evaluate: the following arguments are required: RUN; see --help"),
        (["export", "runs/a"], "vade-tf export: the following arguments are required: --to; see --help"),
    ],
)
def test_a_mistyped_flag_is_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert (shown.out, shown.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("batch_size: no\na \x1b[2Jnumber"), 2, "vade-tf train: --batch-size: no a \\x1b[2Jnumber\n"),
        (InputError("model: expected a run folder"), 2, "vade-tf train: model: expected a run folder\n"),
        (
            DivergedError("init: too far; lower learning_rate"),
            1,
            "vade-tf train: init: too far; lower --learning-rate\n",
        ),
        (KeyboardInterrupt(), 130, "vade-tf train: stopped; go on here\n"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[70000,500] and so on"),
            2,
            "vade-tf train: not enough memory (tensor with shape[70000,500]); a smaller --batch-size takes less; "
            "go on here\n",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_in_flags(error, code, line, capsys):
    def work():
        raise error

    assert answer("vade-tf train", work, stopped=lambda: "go on here", paths=(None, "model")) == code
    assert capsys.readouterr() == ("", line)


def test_another_error_of_tensorflow_keeps_its_traceback():
    def work():
        raise tf.errors.InternalError(None, None, "a fault")

    with pytest.raises(tf.errors.InternalError, match="a fault"):
        answer("p", work)


def test_only_train_has_a_batch_size_to_lower(capsys):
    def work():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[70000,500] and so on")

    assert answer("vade-tf predict", work) == 2
    assert capsys.readouterr().err == "vade-tf predict: not enough memory (tensor with shape[70000,500])\n"


def test_a_run_that_is_finished_is_not_to_be_continued(tmp_path):
    assert train.going_on([tmp_path], "vade-tf train") == "nothing was written"
    (tmp_path / "config.json").touch()
    assert train.going_on([tmp_path], "vade-tf train").endswith(f"--resume {tmp_path} continues it")
    (tmp_path / "metrics.json").touch()
    assert train.going_on([tmp_path], "vade-tf train") == f"{tmp_path} is finished"


def test_only_train_resumes_and_the_others_say_so(capsys):
    def work():
        raise InputError("a: expected a finished run; continue it with resume='a'")

    for prog, words in (
        ("vade-tf train", "--resume a"),
        ("train.py", "--resume a"),
        ("vade-tf predict", "vade-tf train --resume a"),
        ("evaluate.py", "python train.py --resume a"),
    ):
        assert answer(prog, work) == 2
        assert capsys.readouterr().err.endswith(f"continue it with {words}\n")


def test_a_warning_is_one_line_in_flags_and_said_once(capsys):
    def work():
        for kind in (UserWarning, RuntimeWarning):  # the same from another place
            warnings.warn("data: far away;\nlower learning_rate", kind, stacklevel=1)

    assert answer("vade-tf predict", work) == 0
    assert capsys.readouterr().err == "vade-tf predict: warning: --data: far away; lower --learning-rate\n"


def test_a_sweep_that_was_killed_before_its_picture_gets_it(tmp_path, capsys):
    row = {"held_out_elbo": -9.0, "behind": 0.0, "behind_se": 0.1, "bic": 5.0, "strength": 0.9}
    row |= {"elbo": -9.5, **dict.fromkeys(("acc", "nmi", "ari"))}
    rows = [{**row, "n_clusters": k, "components_used": k, "shares": [1 / k] * k} for k in (2, 3)]
    choice = {"n_clusters": 2, "named": {"BIC": 2}, "why": "it is"}
    summary = {"dataset": "rows", "n": 50, "n_held_out": 10, "rows": rows, **choice}
    plan = {"values": [2, 3], "config": json.loads(TrainConfig(data="rows.npy", clusters=3).to_json())}
    (tmp_path / "clusters.json").write_text(json.dumps(plan))
    for folder in ("k-2", "k-3"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "metrics.json").touch()
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert train.main(["--resume", str(tmp_path)]) == 0
    assert (tmp_path / "clusters.png").stat().st_size > 10_000
    assert "* recommended: 2 clusters, it is" in capsys.readouterr().out
    assert train.main(["--resume", str(tmp_path)]) == 2
    assert "holds finished runs; nothing is left to do" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on_as_typed(monkeypatch, capsys):
    def stop(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", stop)
    assert train.main([], "train.py") == 130
    assert capsys.readouterr().err == "train.py: stopped; nothing was written\n"


@pytest.mark.parametrize(
    ("stopped", "said"), [("", b""), ("go on here", b"p: stopped, nobody reads stdout any more; go on here\n")]
)
def test_a_reader_who_leaves_early_is_no_error(stopped, said):
    """Of a command that is over for it nothing is said; training tells how it goes on."""
    lines = (
        "from vade_tf.cli.command import answer; import sys; from vade_tf.printing import Plain; "
        f"sys.exit(answer('p', lambda: Plain().print(sys.stdin.readline()), stopped=lambda: {stopped!r}))"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", lines], **pipes, cwd=ROOT, env=WITH_ROOT) as running:
        running.stdout.close()
        assert running.communicate(b"too late\n")[1] == said
    assert running.returncode == 1


def test_closed_streams_are_no_error_and_no_file_gets_what_is_said_there(tmp_path):
    program = """import os, pathlib, sys
from vade_tf.cli.command import answer, hushed
def work():
    with pathlib.Path("x").open("w") as file, hushed():
        print("said", file=sys.stderr)
        os.write(2, b"noise")
        file.write("written")
sys.exit(answer("p", work))"""
    line = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(program)} >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, env=WITH_ROOT).returncode == 0
    assert (tmp_path / "x").read_text() == "written"


def test_a_letter_that_stdout_does_not_have_is_an_escape(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert answer("vade-tf predict", lambda: print("\u0141ukasz")) == 0
    assert screen.buffer.getvalue() == b"\\u0141ukasz\n"


def test_the_installed_command_is_this_one():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint("vade-tf", scripts["vade-tf"], "console_scripts").load() is entry.main


def test_what_an_extra_brings_is_named_where_it_is_missing(tmp_path, capsys, monkeypatch):
    def work():
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    assert answer("vade-tf evaluate", work) == 2
    assert capsys.readouterr().err == (
        "vade-tf evaluate: matplotlib is not installed; pip install 'vade-tf[reports]' brings it\n"
    )


@pytest.mark.parametrize("code", [0, 1, 2, 75, 130, 143])
def test_a_command_that_was_stopped_leaves_before_python_is_taken_down(code):
    """Threads of TensorFlow that are still at work would otherwise be caught in it."""
    text = "import atexit; from vade_tf.cli.signals import left; print('said', end=' '); atexit.register(print, 'late')"
    done = subprocess.run(
        [sys.executable, "-c", f"{text}; raise SystemExit(left({code}))"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (code, ["said", "late"] if code in (0, 2) else ["said"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_of_a_full_stdout_it_is_said_once_and_of_no_other_place(more):
    program = "from vade_tf.cli.command import answer; import sys; sys.exit(answer('p', lambda: print('x' * 9)))"
    environment = {name: value for name, value in WITH_ROOT.items() if name != "PYTHONUNBUFFERED"} | more
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=-1, text=True, env=environment)
    where = "" if more else "stdout: "  # where nothing waits to be written it is not known
    assert (done.returncode, done.stderr) == (2, f"p: {where}No space left on device\n")


def test_an_error_in_a_folder_that_is_gone_is_still_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    def work():
        raise OSError(28, "No space left on device")

    assert answer("p", work) == 2
    assert capsys.readouterr().err == "p: No space left on device\n"


@pytest.mark.parametrize("name", ["売上\u3000表", "a\u00a0b", "\u0645\u06cc\u200c\u062e"])
def test_a_name_is_shown_as_it_is_and_what_steers_the_terminal_is_not(name):
    assert visible(name + "\u202e\x1b") == name + "\\u202e\\x1b"


def test_the_kept_run_of_restarts_is_a_run(tmp_path):
    (tmp_path / "restarts.json").touch()
    with pytest.raises(InputError, match="^pretrained: .*: holds several runs; give one of them, such as .*/restart-N"):
        check_single(tmp_path, "pretrained")
    (tmp_path / "config.json").touch()
    check_single(tmp_path)


@pytest.mark.parametrize(("name", "prog"), [("main", "vade-tf"), ("train", "train.py"), ("evaluate", "evaluate.py")])
def test_a_program_ends_with_the_code_of_its_command(name, prog, monkeypatch):
    seen = []
    monkeypatch.setattr(f"vade_tf.cli.{name}.main", lambda **more: seen.append(more) or 2)
    assert (getattr(entry, name)(), seen) == (2, [{"prog": prog}])
    if name != "main":
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / f"{name}.py"), run_name="__main__")
        assert ended.value.code == 2
