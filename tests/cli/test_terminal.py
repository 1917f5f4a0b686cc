"""What a person sees of a run: bars on a terminal, plain lines elsewhere, each as it happens."""

import contextlib
import io

import pytest
from rich.table import Table

from vade_tf.cli.terminal import Plain, Terminal
from vade_tf.training.reporter import PhaseLines

METRICS = {
    "dataset": "[red]a[/red]",
    "source": ":x:",
    "n": 3,
    "acc": None,
    "elbo": None,
    "sizes": {"-1": 2, "0": 1200},
    "health": ["component 1 is empty"],
    "seconds": {"fit": 1.0},
}


def on(terminal: bool) -> Terminal:
    return Terminal(console=Plain(file=io.StringIO(), width=100, force_terminal=terminal))


def test_a_line_an_epoch_at_most_every_two_seconds_and_the_last():
    clock = iter([0.0, 0.5, 1.9, 2.1, 2.2, 4.0, 4.2, 9.0, 9.1, 9.2, 9.3])
    written = []
    lines = PhaseLines("VaDE", 10, written.append, lambda: next(clock))
    for epoch in range(1, 11):
        lines.advance(1, f"epoch {epoch}/10")
    lines.flush()
    assert written == [
        "VaDE              epoch 3/10  2 s",  # 2.1 s after the beginning
        "VaDE              epoch 6/10  4 s",  # 2.1 s after that: 4.0 came too early
        "VaDE              epoch 7/10  9 s",
        "VaDE              epoch 10/10  9 s",  # 0.3 s after the one before, but the last
    ]


def test_plain_lines_appear_as_they_happen_and_in_order(capsys):
    with Terminal() as reporter:
        reporter.phase("pretrain", 2)(2, "epoch 1/1, loss 3.0")
        assert capsys.readouterr().out == "Autoencoder       epoch 1/1, loss 3.0  0 s\n"
        reporter.phase("dec", 9)(3, "epoch 3/9")
        assert capsys.readouterr().out == ""  # two seconds are not over
        reporter.say("dec: stopped early")
        reporter.phase("regroup", 1)(1, "")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["dec               epoch 3/9  0 s", "dec: stopped early", "Regrouping        100 %  0 s"]


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


def test_nothing_that_is_printed_steers_the_terminal():
    """What a run folder holds may come from anywhere."""
    file = io.StringIO()
    console = Plain(file=file, force_terminal=True, color_system=None, width=60)
    table = Table(box=None, show_header=False, padding=0)
    table.add_row("\x1b]0;title\x07\u202e")
    console.print(table)
    console.print("\x1b[2Jtwo\nlines", highlight=False)
    shown = [line.rstrip() for line in file.getvalue().splitlines()]
    assert shown == ["\\x1b]0;title\\x07\\u202e", "\\x1b[2Jtwo", "lines"]


def test_every_number_stands_under_its_name():
    reporter = on(terminal=False)
    scores = {"acc": 0.9, "nmi": 0.8, "ari": 0.7, "elbo": -9.0, "distortion": 8.0, "rate_z": 1.0, "rate_w": None}
    reporter.result({**METRICS, **scores}, "a")
    acc = {"mean": 0.1, "std": 0.2, "min": 0.3, "max": 0.4}
    reporter.seeds({"runs": [1, 2], "selected": 0, "acc": acc}, "a")
    row = {"n_clusters": 2, "strength": 0.7, "elbo": -9.0, "acc": 0.5}
    reporter.sweep({"n": 9, "rows": [row], "n_clusters": 2, "why": "w"}, "a")
    lines = [line.split() for line in reporter.console.file.getvalue().splitlines()]
    for expected in (
        "ACC NMI ARI 0.9000 0.8000 0.7000",
        "ELBO -9.00 nats a row (distortion 8.00, rate_z 1.00)",
        "rows by cluster -1: 2, 0: 1,200",
        "2 seeds mean std min max",
        "ACC 0.1000 0.2000 0.3000 0.4000",
        "K STRENGTH ELBO ACC",
        "2 * 0.7000 -9.0000 0.5000",
        "* recommended: 2 clusters, w",
    ):
        assert expected.split() in lines
