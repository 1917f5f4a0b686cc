"""Several runs of one configuration in one folder: what studies of seeds, of restarts and of K have in common.

    KIND.json        the plan: the values, and the configuration they vary; its presence marks the folder
    seed-0/, ...     a run each; restart-0/, ... and k-5/, ... in the other kinds
    KIND.csv         a row a run
    summary.json     the runs side by side, and which of them was chosen without labels

The rows are loaded once. Restarts and sweeps share the autoencoder that their first run trains.
"""

import csv
import io
import json
import reprlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.errors import DivergedError, InputError
from vade_tf.paths import usable
from vade_tf.reading import json_object
from vade_tf.runs import selection, train
from vade_tf.runs.config import MOST, TrainConfig
from vade_tf.runs.filled import filled
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.places import KINDS, PLAN, check_outside, held, refuse_links
from vade_tf.runs.rows import check_there, load_rows, load_whole
from vade_tf.training.posterior import model_groups
from vade_tf.training.reporter import Silent
from vade_tf.training.setting_values import LARGEST
from vade_tf.training.settings import AUTO
from vade_tf.writing import write_whole


@dataclass
class Study:
    """A folder of several runs.

    Attributes:
        kind: one of `places.KINDS`.
        out: the folder.
        config: what the runs have in common.
        values: of the setting that varies.
        whole: all rows, where they are loaded already.
    """

    kind: str
    out: Path
    config: TrainConfig
    values: list[int]
    _whole: Dataset | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, kind: str, config: TrainConfig, out: str | Path, values, whole: Dataset | None = None) -> "Study":
        """A new folder; what is wrong with rows, settings or folder is said before anything is written.

        Raises:
            InputError: rows or settings that cannot be used, or a folder that is not empty or cannot be written.
        """
        if config.distribute == "multiworker":
            raise InputError("distribute: multiworker trains one run; expected one of clusters, seeds and restarts")
        drawn = config.limit is not None or config.held_out > 0
        if kind == "seeds" and config.pretrained is not None and drawn:
            raise InputError(
                "pretrained: cannot be combined with seeds where limit or held_out is set, for each seed draws other "
                "rows than the autoencoder was trained on"
            )
        check_outside(out, config.data)
        out, whole = usable(out, "out"), load_whole(config) if whole is None else whole
        rows = load_rows(config, whole)
        filled(rows.config, rows)
        study = cls(kind, out, rows.config, [int(value) for value in values], whole)
        plan = {"values": study.values, "config": json.loads(study.config.to_json())}
        with held(out, "out", new=True):
            write_whole(out / f"{kind}.json", json.dumps(plan).encode())
        return study

    @classmethod
    def open(cls, out: str | Path, kind: str) -> "Study":
        """The study of a kind in an existing folder.

        Raises:
            InputError: there is none of this kind, or its plan is damaged.
        """
        out = usable(out, "resume")
        file = out / f"{kind}.json"
        if not file.exists():
            raise InputError(f"resume: expected a folder of several runs, with {file.name} in it, got {out}")
        plan = json_object(file, PLAN)
        try:
            config, values = TrainConfig.of(plan["config"]), plan["values"]
            ascending = values == sorted(set(values)) and 0 < len(values) <= MOST
            if not ascending or values[0] < KINDS[kind].least or values[-1] > LARGEST:
                raise InputError(f"values: expected different whole numbers, ascending, got {reprlib.repr(values)}")
        except InputError as error:
            raise InputError(f"{file} is damaged or of another version ({error})") from error
        return cls(kind, out, config, values)

    @classmethod
    def resume(cls, out: str | Path, kind: str) -> "Study":
        """As `open`, to go on with it: one whose runs are not all finished, and with them the study.

        Raises:
            InputError: as `open`, or nothing is left to do; a run that diverged may be tried again.
        """
        study = cls.open(out, kind)
        if study.finished:
            raise InputError(f"resume: {out} holds finished runs; nothing is left to do")
        return study

    @property
    def folders(self) -> dict[int, Path]:
        """The run folder of each value."""
        return {value: self.out / f"{KINDS[self.kind].prefix}{value}" for value in self.values}

    @property
    def done(self) -> list[Path]:
        """The folders of the runs that are finished."""
        return [folder for folder in self.folders.values() if (folder / "metrics.json").exists()]

    @property
    def finished(self) -> bool:
        """Whether all runs are, and what is made of them."""
        last = ("summary.json", "metrics.json") if self.kind == "restarts" else ("summary.json",)
        return all((self.out / name).exists() for name in last) and len(self.done) == len(self.values)

    @cached_property
    def whole(self) -> Dataset:
        """All rows: loaded and looked at once."""
        if self._whole is not None:
            return self._whole
        check_there(self.config, self.out)
        begun = next((folder for folder in self.folders.values() if (folder / "config.json").exists()), None)
        if begun is None:
            return load_whole(self.config)
        run = Run.open(begun)
        whole = load_whole(self.config, run, run.data.get("in_file"))
        run.check_data(train.identity(load_rows(run.config, whole)), "resume")  # or runs on several data are compared
        return whole

    @cached_property
    def _told(self) -> Dataset:
        """The same rows without the notice, which the first run has given."""
        return replace(self.whole, notice="")

    def of(self, value: int) -> TrainConfig:
        """The configuration of one run."""
        kind, first = KINDS[self.kind], self.folders[self.values[0]]
        pretrained = self.config.pretrained
        if kind.shared and pretrained is None and value != self.values[0]:
            pretrained = str(first)
        config = self.config
        if config.clusters == AUTO and value != self.values[0] and (done := self.done):  # the first has chosen, for all
            config = replace(config, clusters=Run.open(done[0]).metrics["n_clusters"])
        varied: dict = {kind.setting: value, "pretrained": pretrained}
        return replace(config, **varied)

    def held(self):
        """Keeps the folder for this process while its runs are trained, none of which may be a link."""
        refuse_links(self.folders.values(), "resume")
        return held(self.out, "resume" if self._whole is None else "out")  # a new one has its rows

    def run(self, reporter: Silent, export: bool) -> dict[int, dict]:
        """metrics.json of every run, by its value, each trained or continued where it is not finished.

        Where all have as many clusters also its agreement: the mean adjusted Rand index of its groups with those of
        the other runs on the same rows.

        Raises:
            DivergedError: every run, or the autoencoder that they share; one of several is said and left out.
        """
        results, last, varied = {}, None, KINDS[self.kind].setting
        for value, folder in self.folders.items():
            whole = self.whole if value == self.values[0] else self._told
            try:
                results[value] = finished(
                    self.of(value), folder, f"{varied} {value}", whole=whole, reporter=reporter, export=export
                )
            except DivergedError as error:
                if KINDS[self.kind].shared and self.config.pretrained is None and not self._lent():
                    raise
                reporter.say(str(error))
                last = error
        if last is not None and not results:
            raise last
        if varied != "clusters":  # other K have other groups
            for result, ari in zip(results.values(), agreement(self.done, self.whole), strict=True):
                result["agreement"] = float(ari)
        return results

    def _lent(self) -> bool:
        """Whether the first run has the autoencoder that all share."""
        first = self.folders[self.values[0]]
        return (first / "config.json").exists() and Run.open(first).load("pretrained") is not None

    def diverged(self, results: dict[int, dict]) -> list[int]:
        """The values whose runs `run` has left out."""
        return [value for value in self.values if value not in results]

    def conclude(self, rows: list[dict], summary: dict) -> dict:
        """Write KIND.csv and summary.json, which marks the study as finished; returns the summary."""
        text = io.StringIO()
        columns = [name for name in rows[0] if name != "shares"]
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.out / f"{self.kind}.csv", text.getvalue().encode())
        write_whole(self.out / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
        return summary


def finished(config: TrainConfig, folder: Path, name: str, *, reporter, whole=None, extra=(), export=True) -> dict:
    """metrics.json of the run in a folder, which is trained, or continued, unless it is finished.

    Args:
        config: its settings, if it is not there yet.
        folder: the run folder.
        name: what is said when there is something to do.
        whole, reporter, extra, export: as for `train.train`.

    Raises:
        DivergedError: as `train.train` does, and it names the folder.
    """
    if (folder / "metrics.json").exists():
        return Run.open(folder).metrics
    reporter.say(name)
    given = {"whole": whole, "reporter": reporter, "extra": extra, "export": export}
    try:
        if (folder / "config.json").exists():
            return train.resume(folder, **given)
        return train.train(config, folder, **given)
    except DivergedError as error:
        raise DivergedError(f"{folder}: {error}") from error


def agreement(folders: list[Path], whole: Dataset | None = None) -> np.ndarray:
    """Mean adjusted Rand index of the groups of each of R finished runs on the same rows with all others, [R]."""
    first = Run.open(folders[0])
    x = load_rows(first.config, load_whole(first.config, first) if whole is None else whole).dataset.x
    return selection.agreement([model_groups(load(folder), x) for folder in folders])
