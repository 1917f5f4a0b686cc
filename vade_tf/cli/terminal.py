"""What a person sees of a command: a bar for each phase, or lines where the output is no terminal; the last table."""

import shlex
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vade_tf.printing import Plain
from vade_tf.training.reporter import PHASES, PhaseLines, Silent

TERMS = ("distortion", "rate_z", "rate_w", "rate_c")


class Terminal(Silent):
    """A reporter that shows what it hears of a run on stdout. Use it as a context manager.

    Args:
        evaluate: what a person types to evaluate a run, for the table at the end.
        console: where to write; default stdout.
    """

    def __init__(self, evaluate: str = "vade-tf evaluate", console: Console | None = None):
        self.evaluate = evaluate
        self.console = console or Plain()
        self.draws = self.console.is_terminal and not self.console.is_dumb_terminal
        self.lines: list[PhaseLines] = []
        self.progress = Progress(
            TextColumn("{task.fields[title]:<17}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=self.console,
        )

    def __exit__(self, *exception) -> None:
        self._flush()
        if exception[0] is None:  # a phase may end before its last epoch: nothing is left of it
            for task in self.progress.tasks:
                self.progress.update(task.id, total=task.completed)
        if self.progress.live.is_started:
            self.progress.stop()

    def say(self, text: str) -> None:
        self._flush()
        self._release()
        self._print(text)

    def phase(self, name: str, batches: int) -> Callable[[int, str], None]:
        title = PHASES.get(name, name)
        self._flush()
        if not self.draws:
            self.lines.append(PhaseLines(title, batches, self._print))
            return self.lines[-1].advance
        self._release(title)
        self.progress.start()
        bar = self.progress.add_task("", total=batches, title=title, text="")

        def advance(done: int, text: str) -> None:
            if bar in self.progress.task_ids:  # a notice after the last batch has released it
                self.progress.update(bar, advance=done, text=text)

        return advance

    def _release(self, title: str | None = None) -> None:
        """Bars that are done, or of a phase that begins anew, become text above the others: or they fill the screen."""
        for task in self.progress.tasks if self.progress.live.is_started else ():
            if task.finished or task.fields["title"] == title:
                self.progress.update(task.id, total=task.completed)
                self.console.print(self.progress.make_tasks_table([task]))
                self.progress.remove_task(task.id)

    def _print(self, text: str | Table) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _flush(self) -> None:
        for lines in self.lines:
            lines.flush()

    def result(self, metrics: dict, out: str) -> None:
        """The short table at the end of a run, and what to type next."""
        rows = [("data", f"{metrics['dataset']}, {metrics['n']:,} rows from {metrics['source']}")]
        if metrics["acc"] is not None:
            rows.append(("ACC   NMI   ARI", "{acc:.4f}   {nmi:.4f}   {ari:.4f}".format(**metrics)))
        if metrics["elbo"] is not None:
            terms = [f"{name} {metrics[name]:.2f}" for name in TERMS if metrics.get(name) is not None]
            rows.append(("ELBO", f"{metrics['elbo']:.2f} nats a row ({', '.join(terms)})"))
        if metrics.get("choice") is not None:
            rows.append(("clusters", metrics["choice"]["why"]))
        if metrics["health"]:
            rows.append(("health", "; ".join(metrics["health"])))
        rows.append(("seconds", ", ".join(f"{name} {value:.0f}" for name, value in metrics["seconds"].items())))
        rows += [("written to", out), ("next", f"{self.evaluate} {shlex.quote(out)}")]
        for name, text in rows:
            self._print(f"{name:<17} {text}")

    def seeds(self, summary: dict, out: str) -> None:
        """The table of a run over several seeds."""
        table = _table(f"{len(summary['runs'])} seeds", ("", "mean", "std", "min", "max"))
        for name in ("acc", "nmi", "ari", "elbo"):
            if name in summary:
                table.add_row(name.upper(), *(f"{summary[name][k]:.4f}" for k in ("mean", "std", "min", "max")))
        self._print(table)
        self.say(f"selected without labels: seed {summary['selected']} (the others agree with it most)")
        self.say(f"written to {out}")

    def sweep(self, summary: dict, out: str) -> None:
        """The table of a run over several numbers of clusters, and the K recommended."""
        scored = summary["rows"][0]["acc"] is not None
        title = f"{summary['n']:,} rows, {summary['n_held_out']:,} held out (ELBO in nats a held-out row)"
        names = ("K", "", "ELBO", "behind", "±", "BIC", "strength", "used", "least", *(["ACC"] if scored else []))
        table = _table(title, names)
        for row in summary["rows"]:
            table.add_row(
                str(row["n_clusters"]),
                "*" if row["n_clusters"] == summary["n_clusters"] else "",
                f"{row['held_out_elbo']:.2f}",
                f"{row['behind']:.2f}",
                f"{row['behind_se']:.2f}",
                f"{row['bic']:.0f}",
                f"{row['strength']:.3f}",
                str(row["components_used"]),
                f"{row['shares'][-1]:.4f}",
                *([f"{row['acc']:.4f}"] if scored else []),
            )
        self._print(table)
        named = ", ".join(f"{name} {k}" for name, k in summary["named"].items())
        self.say(f"* recommended: {summary['n_clusters']} clusters, {summary['why']}")
        self.say(f"named by {named}\nwritten to {out}: clusters.png, clusters.csv, summary.json")


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    return table


class Steps:
    """What a command that only computes is doing, on stderr: stdout stays clean for what it finds.

    Call it with the name of each step as it begins; use it as a context manager. On a terminal a line shows the present
    step. Elsewhere each step leaves a line when it is done, with its seconds.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.console = Plain(stderr=True)
        self.draws = not quiet and self.console.is_terminal and not self.console.is_dumb_terminal
        self.name = ""
        self.begun = 0.0
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console, transient=True)

    def __enter__(self) -> "Steps":
        if self.draws:
            self.progress.start()
            self.task = self.progress.add_task("", total=None)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.draws:
            self.progress.stop()
        if kind is None:
            self._end()

    def __call__(self, name: str) -> None:
        self._end()
        self.name, self.begun = name, time.monotonic()
        if self.draws:
            self.progress.update(self.task, description=name)

    def _end(self) -> None:
        if self.name and not (self.draws or self.quiet):
            line = f"{self.name}  {time.monotonic() - self.begun:.0f} s"
            self.console.print(line, highlight=False, soft_wrap=True)
        self.name = ""
