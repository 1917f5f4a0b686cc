"""What a person sees of a command: a bar for each phase, or lines where the output is no terminal; the last table."""

import shlex
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vade_tf.errors import visible
from vade_tf.training.reporter import PHASES, PhaseLines, Silent

TERMS = ("distortion", "rate_z", "rate_w", "rate_c")
SPREAD = ("mean", "std", "min", "max")


class Plain(Console):
    """A console for text as it is, wherever it comes from: what could steer the terminal is shown as an escape."""

    def __init__(self, **where):
        super().__init__(markup=False, emoji=False, **where)

    def render_str(self, text: str, **more):
        return super().render_str("\n".join(map(visible, text.split("\n"))), **more)

    def on_broken_pipe(self):  # which would end the process
        self.quiet = True
        raise BrokenPipeError


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

    def _print(self, text: str) -> None:
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
        rows.append(("rows by cluster", ", ".join(f"{c}: {size:,}" for c, size in metrics["sizes"].items())))
        if metrics["health"]:
            rows.append(("health", "; ".join(metrics["health"])))
        rows.append(("seconds", ", ".join(f"{name} {value:.0f}" for name, value in metrics["seconds"].items())))
        rows += [("written to", out), ("next", f"{self.evaluate} {shlex.quote(out)}")]
        for name, text in rows:
            self._print(f"{name:<17} {text}")

    def seeds(self, summary: dict, out: str) -> None:
        """The table of a run over several seeds."""
        self._print(f"{len(summary['runs'])} seeds" + "".join(f"{k:>11}" for k in SPREAD))
        for name in ("acc", "nmi", "ari", "elbo"):
            if name in summary:
                self._print(f"{name.upper():<7}" + "".join(f"{summary[name][k]:>11.4f}" for k in SPREAD))
        self.say(f"selected without labels: seed {summary['selected']} (the others agree with it most)")
        self.say(f"written to {out}")

    def sweep(self, summary: dict, out: str) -> None:
        """The table of a run over several numbers of clusters, and the K recommended."""
        names = [name for name in ("strength", "elbo", "acc") if summary["rows"][0][name] is not None]
        self._print(f"{summary['n']:,} rows\n{'K':>5}  " + "".join(f"{name.upper():>11}" for name in names))
        for row in summary["rows"]:
            chosen = "*" if row["n_clusters"] == summary["n_clusters"] else " "
            self._print(f"{row['n_clusters']:>5} {chosen}" + "".join(f"{row[name]:>11.4f}" for name in names))
        self.say(f"* recommended: {summary['n_clusters']} clusters, {summary['why']}")
        self.say(f"written to {out}: clusters.csv, summary.json")
