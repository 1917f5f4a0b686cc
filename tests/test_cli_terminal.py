"""What a person sees of a run: bars on a terminal, plain lines elsewhere, each as it happens."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import warnings

import pytest
from rich.table import Table

from vade_tf.cli import steps as module
from vade_tf.cli import train
from vade_tf.cli.command import answer, starting
from vade_tf.cli.steps import Steps
from vade_tf.cli.terminal import Terminal
from vade_tf.printing import Plain
from vade_tf.runs import seeds
from vade_tf.runs.config import TrainConfig
from vade_tf.training.reporter import PhaseLines

METRICS = {
    "dataset": "[red]a[/red]",
    "source": ":x:",
    "n": 3,
    "acc": None,
    "elbo": None,
    "health": ["component 1 is empty: pretrain longer (pretrain_epochs), or take clusters=2"],
    "seconds": {"fit": 1.0},
}


def on(terminal: bool) -> Terminal:
    return Terminal(console=Plain(file=io.StringIO(), width=100, force_terminal=terminal))


def lines_at(times, total=10):
    """Lines of a phase whose calls of `advance` come at these seconds, and what was written."""
    clock = iter([0.0, *times])
    written = []
    return PhaseLines("VaDE", total, written.append, lambda: next(clock)), written


def test_a_line_an_epoch_at_most_every_two_seconds_and_the_last():
    times = [0.5, 1.9, 2.1, 2.2, 4.0, 4.2, 9.0, 9.1, 9.2, 9.3]
    lines, written = lines_at(times)
    for epoch in range(1, 11):
        lines.advance(1, f"epoch {epoch}/10")
    assert written == [
        "VaDE              epoch 3/10  2 s",  # 2.1 s after the beginning
        "VaDE              epoch 6/10  4 s",  # 2.1 s after that: 4.0 came too early
        "VaDE              epoch 7/10  9 s",
        "VaDE              epoch 10/10  9 s",  # 0.3 s after the one before, but the last
    ]
    lines.flush()
    assert len(written) == 4


def test_plain_lines_appear_as_they_happen_and_in_order(capsys):
    with Terminal() as reporter:
        pretrain = reporter.phase("pretrain", 2)
        pretrain(2, "epoch 1/1, loss 3.0")
        assert capsys.readouterr().out == "Autoencoder       epoch 1/1, loss 3.0  0 s\n"
        stopped = reporter.phase("dec", 9)
        stopped(3, "epoch 3/9")
        assert capsys.readouterr().out == ""  # two seconds are not over
        reporter.say("dec: stopped early; lower learning_rate")
        nested = reporter.phase("regroup", 1)
        nested(1, "")
    assert capsys.readouterr().out.splitlines() == [
        "dec               epoch 3/9  0 s",
        "dec: stopped early; lower --learning-rate",
        "Regrouping        100 %  0 s",
    ]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_bar_of_a_phase_that_ends_early_is_full_unless_the_run_was_stopped(error):
    with contextlib.suppress(KeyboardInterrupt), on(terminal=True) as reporter:
        reporter.phase("dec", 10)(3, "epoch 3/10")
        if error is not None:
            raise error
    assert reporter.progress.tasks[0].percentage == (100 if error is None else 30)


@pytest.mark.parametrize("terminal", [True, False])
def test_square_brackets_and_colons_are_no_markup(terminal):
    with on(terminal) as reporter:
        reporter.say("into [/x] and [red]y[/red] :smile:")
        reporter.phase("[b]", 1)(1, "[/i]")
    reporter.result(METRICS, "runs/[/x] y")
    shown = reporter.console.file.getvalue()
    for text in ("into [/x] and [red]y[/red] :smile:", "[b]", "[/i]", "[red]a[/red], 3 rows from :x:", "runs/[/x] y"):
        assert text in shown
    assert "vade-tf evaluate 'runs/[/x] y'" in shown
    assert "pretrain longer (--pretrain-epochs), or take --clusters 2" in shown


def test_steps_leave_a_line_each_when_they_are_done(capsys, monkeypatch):
    seconds = iter([0.0, 5.0, 5.0, 7.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(seconds))
    with Steps() as steps:
        steps.about("runs/[a]: ")("loading data")
        assert capsys.readouterr().err == ""
        steps("encoding")
        assert capsys.readouterr().err == "runs/[a]: loading data  5 s\n"
    assert capsys.readouterr() == ("", "runs/[a]: encoding  2 s\n")


def test_what_was_not_measured_is_left_out_of_the_result():
    reporter = on(terminal=False)
    reporter.result({**METRICS, "elbo": -9.0, "distortion": 8.0, "rate_z": 1.0, "rate_w": None, "choice": None}, "a")
    assert "-9.00 nats a row (distortion 8.00, rate_z 1.00)\n" in reporter.console.file.getvalue()


def test_nothing_that_is_printed_steers_the_terminal():
    """What a run folder holds may come from anywhere."""
    file = io.StringIO()
    console = Plain(file=file, force_terminal=True, color_system=None, width=60)
    table = Table(box=None, show_header=False, padding=0)
    table.add_row("\x1b]0;title\x07\u202e")
    console.print(table)
    console.print("\x1b[2Jtwo\nlines", highlight=False)
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "\\x1b]0;title\\x07\\u202e",
        "\\x1b[2Jtwo",
        "lines",
    ]


def test_a_reader_who_leaves_is_no_exit(monkeypatch):
    class Left(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    console = Plain(file=Left())
    with pytest.raises(BrokenPipeError):
        console.print("a")
    console.print("b")


def test_every_number_stands_under_its_name():
    reporter = on(terminal=False)
    reporter.result({**METRICS, "acc": 0.9, "nmi": 0.8, "ari": 0.7}, "a")
    spread = seeds.spread([{"acc": a, "nmi": None, "ari": 0.5, "elbo": -a} for a in (0.5, 0.9)])
    assert (set(spread), spread["acc"]["min"], spread["acc"]["max"]) == ({"acc", "ari", "elbo"}, 0.5, 0.9)
    acc = {"mean": 0.1, "std": 0.2, "min": 0.3, "max": 0.4}
    reporter.seeds({"runs": [1, 2], "selected": 0, "acc": acc}, "a")
    row = {"n_clusters": 2, "held_out_elbo": -9.0, "behind": 1.0, "behind_se": 0.1, "bic": 5.0}
    row |= {"strength": 0.7, "components_used": 1, "shares": [0.6, 0.4], "acc": 0.5}
    more = {"n_clusters": 2, "named": {"BIC": 2}, "why": "w"}
    reporter.sweep({"n": 9, "n_held_out": 3, "rows": [row], **more}, "a")
    lines = [line.replace("*", "").split() for line in reporter.console.file.getvalue().splitlines()]
    for expected in (
        "ACC NMI ARI 0.9000 0.8000 0.7000",
        "mean std min max",
        "ACC 0.1000 0.2000 0.3000 0.4000",
        "K ELBO behind ± BIC strength used least ACC",
        "2 -9.00 1.00 0.10 5 0.700 1 0.4000 0.5000",
    ):
        assert expected.split() in lines


def test_what_is_said_to_the_makers_of_a_library_is_not_said_to_its_users(capsys):
    def work():
        warnings.simplefilter("default", append=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn("new", UserWarning, stacklevel=1)

    assert answer("vade-tf predict", work) == 0
    assert capsys.readouterr().err == "vade-tf predict: warning: new\n"


@pytest.mark.parametrize("own", [None, "false"])
def test_a_command_takes_what_it_needs_of_a_gpu_unless_its_user_says_otherwise(monkeypatch, own):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", own or "")
    if own is None:
        monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH")
    with starting():
        assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == (own or "true")


def test_what_keras_and_matplotlib_are_set_to_ends_no_command_in_a_traceback(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://no_such_notebook")
    with starting():
        assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize(
    ("backend", "settings"),
    [("foo", {}), ("jax", {}), ("", {"floatx": "float7"})],
    ids=["unknown", "not installed", "keras.json"],
)
def test_settings_that_keras_does_not_know_are_one_line(tmp_path, backend, settings):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = "from vade_tf.cli.command import answer, starting\nwith_it = starting()\n"
    code += "raise SystemExit(answer('vade-tf train', with_it.__enter__))"
    more = {"KERAS_BACKEND": backend} if backend else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_HOME": str(tmp_path), **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"vade-tf train: .*TensorFlow or Keras cannot be loaded .*KERAS_BACKEND.*\n", done.stderr)


def test_several_runs_are_finished_when_nothing_is_left_of_them(tmp_path):
    def said(folder):
        return train.going_on([folder], "vade-tf train")

    sweep, seeds, restarts = (tmp_path / name for name in ("sweep", "seeds", "restarts"))
    for run, kind in ((sweep / "k-3", "clusters"), (seeds / "seed-1", "seeds"), (restarts / "restart-1", "restarts")):
        run.mkdir(parents=True)
        plan = {"values": [int(run.name[-1])], "config": json.loads(TrainConfig(dataset="digits").to_json())}
        (run.parent / f"{kind}.json").write_text(json.dumps(plan))
        (run.parent / "config.json").touch()
        (run.parent / "summary.json").touch()
    for folder, last in ((sweep, "clusters.png"), (restarts, "metrics.json")):  # last but a run that diverged
        assert said(folder).endswith(f"--resume {folder} continues it")
        (folder / last).touch()
    for folder, last in ((sweep, "k-3"), (seeds, "seed-1"), (restarts, "restart-1")):
        last += "/metrics.json"
        assert said(folder).endswith(f"--resume {folder} continues it")
        (folder / last).touch()
        assert said(folder) == f"{folder} is finished"
    (seeds / "seeds.json").write_text("{")
    assert said(seeds).endswith(f"--resume {seeds} continues it")
