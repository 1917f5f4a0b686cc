"""What a person sees of a run on the terminal: one bar a phase, notices, and a table at the end."""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

TERMS = ("distortion", "rate_z", "rate_w", "rate_c")
PHASES = {"pretrain": "Autoencoder", "init": "Starting mixture", "vade": "VaDE"}


class Terminal:
    """A reporter for `training.train` that draws; use it as a context manager."""

    def __init__(self):
        self.console = Console()
        self.progress = Progress(
            TextColumn("{task.fields[title]:<17}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=self.console,
        )

    def __enter__(self) -> "Terminal":
        return self  # the bars start with the first phase: what is refused before it leaves no empty line

    def __exit__(self, *exception) -> None:
        if exception[0] is None:  # a phase may end before its last epoch: nothing is left of it
            for task in self.progress.tasks:
                self.progress.update(task.id, total=task.completed)
        if self.progress.live.is_started:
            self.progress.stop()

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def phase(self, name: str, batches: int) -> Callable[[int, str], None]:
        self.progress.start()
        task = self.progress.add_task("", total=batches, title=PHASES.get(name, name), text="")
        return lambda done, text: self.progress.update(task, advance=done, text=text)

    def result(self, metrics: dict, out: str) -> None:
        """The short table at the end of a run, and what to type next."""
        seconds = metrics["seconds"]
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_row("data", f"{metrics['dataset']}, {metrics['n']:,} rows from {metrics['source']}")
        if metrics["acc"] is not None:
            table.add_row("ACC   NMI   ARI", "{acc:.4f}   {nmi:.4f}   {ari:.4f}".format(**metrics))
        if metrics["elbo"] is not None:
            terms = [f"{name} {metrics[name]:.2f}" for name in TERMS if name in metrics]
            table.add_row("ELBO", f"{metrics['elbo']:.2f} nats a row ({', '.join(terms)})")
        if metrics["health"]:
            table.add_row("health", "; ".join(metrics["health"]))
        table.add_row("seconds", ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))
        table.add_row("written to", out)
        table.add_row("next", f"python evaluate.py {out}")
        self.console.print(table, soft_wrap=True, highlight=False)

    def seeds(self, summary: dict, out: str) -> None:
        """The table of a run over several seeds."""
        table = Table(title=f"{len(summary['runs'])} seeds", title_justify="left")
        for column in ("", "mean", "std", "min", "max"):
            table.add_column(column, justify="left" if not column else "right")
        for name in ("acc", "nmi", "ari", "elbo"):
            if name in summary:
                table.add_row(name.upper(), *(f"{summary[name][k]:.4f}" for k in ("mean", "std", "min", "max")))
        self.console.print(table)
        self.say(f"selected without labels: seed {summary['selected']} (the others agree with it most)")
        self.say(f"written to {out}")

    def sweep(self, summary: dict, out: str) -> None:
        """The table of a run over several numbers of clusters, and the K recommended."""
        title = f"{summary['n']:,} rows, {summary['n_held_out']:,} held out (ELBO in nats a held-out row)"
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        scored = summary["rows"][0]["acc"] is not None
        names = ("K", "", "ELBO", "behind", "±", "BIC", "ARI", "strength", "used", "least")
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
                f"{row['stability']:.3f}",
                f"{row['strength']:.3f}",
                str(row["components_used"]),
                f"{row['shares'][-1]:.4f}",
                *([f"{row['acc']:.4f}"] if scored else []),
            )
        self.console.print(table)
        named = ", ".join(f"{name} {k}" for name, k in summary["named"].items())
        self.say(f"* recommended, {summary['sure']}: {summary['n_clusters']} clusters, {summary['why']}")
        self.say(f"named by {named}\nwritten to {out}: sweep.png, sweep.csv, sweep.json")


@contextmanager
def hushed():
    """Keep what native libraries write to the terminal while they load; show it only if loading fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
