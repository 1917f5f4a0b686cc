"""What a person sees of a run: a bar a phase, or plain lines where stdout is no terminal; notices; a last table."""

import shlex
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vade_tf.cli.speech import in_flags
from vade_tf.printing import Plain
from vade_tf.training.reporter import PHASES, PhaseLines, Silent

TERMS = ("distortion", "rate_z", "rate_w", "rate_c")


class Terminal(Silent):
    """A reporter: shows what it is told of a run. Use it as a context manager.

    Args:
        evaluate: what a person types to evaluate a run, for the table at the end.
        console: where to write; default stdout. Paths may hold square brackets.
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

    def __enter__(self) -> "Terminal":
        return self  # the bars start with the first phase: what is refused before it leaves no empty line

    def __exit__(self, *exception) -> None:
        self._flush()
        if exception[0] is None:  # a phase may end before its last epoch: nothing is left of it
            for task in self.progress.tasks:
                self.progress.update(task.id, total=task.completed)
        if self.progress.live.is_started:
            self.progress.stop()

    def say(self, text: str) -> None:
        """Print a sentence of the library, its settings as flags."""
        self._flush()
        self._let_go()
        self._print(in_flags(text))

    def phase(self, name: str, batches: int) -> Callable[[int, str], None]:
        """A phase of so many batches begins: returns what hears of (batches done since, a text)."""
        title = PHASES.get(name, name)
        self._flush()
        if not self.draws:
            self.lines.append(PhaseLines(title, batches, self._print))
            return self.lines[-1].advance
        self._let_go(title)
        self.progress.start()
        bar = self.progress.add_task("", total=batches, title=title, text="")

        def advance(done: int, text: str) -> None:
            if bar in self.progress.task_ids:  # a notice after the last batch has let it go
                self.progress.update(bar, advance=done, text=text)

        return advance

    def _let_go(self, title: str | None = None) -> None:
        """Bars that are done, or of a phase that begins anew, become text above the others: or they fill the screen."""
        for task in self.progress.tasks if self.progress.live.is_started else ():  # once stopped they stand as text
            if task.finished or task.fields["title"] == title:
                self.progress.update(task.id, total=task.completed)
                self.console.print(self.progress.make_tasks_table([task]))
                self.progress.remove_task(task.id)

    def _print(self, text: str | Table) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)  # flushes

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
            rows.append(("health", in_flags("; ".join(metrics["health"]))))
        rows.append(("seconds", ", ".join(f"{name} {value:.0f}" for name, value in metrics["seconds"].items())))
        rows += [("written to", out), ("next", f"{self.evaluate} {shlex.quote(out)}")]
        if not self.draws:  # plain lines, each whole
            for name, text in rows:
                self._print(f"{name:<17} {text}")
            return
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*row)
        self.console.print(table, soft_wrap=True, highlight=False)

    def seeds(self, summary: dict, out: str) -> None:
        """The table of a run over several seeds."""
        title = f"{len(summary['runs'])} seeds"
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for column in ("", "mean", "std", "min", "max"):
            table.add_column(column, justify="left" if not column else "right")
        for name in ("acc", "nmi", "ari", "elbo"):
            if name in summary:
                table.add_row(name.upper(), *(f"{summary[name][k]:.4f}" for k in ("mean", "std", "min", "max")))
        self._print(table)
        self.say(f"selected without labels: seed {summary['selected']} (the others agree with it most)")
        self.say(f"written to {out}")

    def sweep(self, summary: dict, out: str) -> None:
        """The table of a run over several numbers of clusters, and the K recommended."""
        title = f"{summary['n']:,} rows, {summary['n_held_out']:,} held out (ELBO in nats a held-out row)"
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
        scored = summary["rows"][0]["acc"] is not None
        names = ("K", "", "ELBO", "behind", "±", "BIC", "strength", "used", "least")
        for name in names + (("ACC",) if scored else ()):
            table.add_column(name, justify="right", no_wrap=True)
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
