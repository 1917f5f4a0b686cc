"""`TrainConfig`: everything that decides a run: where its rows come from, which system, and the settings of the fit.

The command line's flags are made from these fields, and the whole of it is written into the run folder.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from vade_tf.data.named import DATASETS
from vade_tf.errors import InputError, outlier_share
from vade_tf.systems import SYSTEMS
from vade_tf.training.settings import (
    AUTO,
    METHODS,
    NARROW,
    RECIPES,
    VADE_PHASES,
    Phases,
    Resolved,
    Settings,
    expert,
    option,
)

MAX_RUNS = 1000  # of a study
MODELS = ("vade", *SYSTEMS)


def of_file(text: str, **more) -> Any:
    """A setting that goes with a file of the user's own; default None."""
    return option(None, text, of_files=True, **more)


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Settings of a run: those of the fit (`Settings`), the rows and the system.

    `recipe="paper"` also takes the authors' settings for a named data set, where they published any.

    Raises:
        InputError: a setting of the wrong type, out of range, or one that does not go with another; it names the
            setting.
    """

    dataset: str | None = option(None, f"named data set: {', '.join(DATASETS)} (default: mnist)")
    data: str | None = option(
        None, "own rows instead: a table, an array, texts, cells or a folder of images", path=True
    )
    data_dir: str | None = expert(
        None, "folder that holds the named data set's files; else caches and download", path=True
    )
    labels: str | None = of_file("labels for scoring: a column, an .npz array, a .npy file, or folders (of images)")
    columns: str | None = of_file("columns of a table to use, as in age,height (all)")
    drop: str | None = of_file("columns of a table to leave out")
    id: str | None = of_file("column of a table that names the rows")
    column: str | None = of_file("column of a .parquet whose cells are vectors, such as embeddings")
    texts: str | None = of_file("text of each row, to name clusters: a .txt, or a column of a .parquet")
    text: str | None = of_file("column of texts to cluster by their words; lines: each line of a .txt is one")
    transform: str | None = of_file(
        "power brings the numbers of a table nearer to a normal distribution", choices=("power",), expert=True
    )
    sep: str | None = of_file("what separates the cells of a text file (found by csv.Sniffer)", expert=True)
    decimal: str = expert(".", "decimal point of a text file")
    header: str = expert("0", "line of a text file that names the columns, counted from 0; none: there is none")
    na_values: str | None = of_file(
        "texts that mean a missing cell, besides NA, ? and the like, as in --na-values=-9999,99", expert=True
    )
    dtype: str | None = of_file("types of columns, as in zip=str,year=category", expert=True)
    layer: str | None = of_file("layer of an .h5ad that holds the counts (X)", expert=True)
    genes: int | None = of_file("of cells keep so many genes, those that vary most (all)", least=1, expert=True)
    batch: str | None = of_file(
        "column of an .h5ad with the experiment or donor of each cell, which the decoder reads", expert=True
    )
    image_shape: tuple[int, ...] | None = of_file(
        "height,width of rows that are grey images, or height,width,3; of a folder: what its images are resized to "
        "(arrays have a shape)",
        example="28,28",
        expert=True,
    )
    init: str = expert(
        None,
        "start; auto: by the kind of the rows (docs/guide/training.md); gmm, kmeans, spectral: of the code; or a .npy "
        "file with a group of each row, -1 unknown, or probabilities [n, K]",
    )
    hints: str | None = option(None, ".npy with the known group of each row, -1: unknown; semi-supervised", path=True)
    require_full: bool = expert(False, "fail rather than train on the bundled 5,000 MNIST digits offline")
    limit: int | None = option(None, "use a random subset of this many rows", least=1)
    outliers: float | None = expert(
        None,
        "share of the rows, those of the lowest density, whose cluster is -1 in assignments.csv and predict (none)",
    )
    model: str = option("vade", f"system: vade, {', '.join(SYSTEMS)}", choices=MODELS)
    pretrained: str | None = expert(
        None, "run folder whose autoencoder to start from, instead of pretraining one", path=True
    )
    restart: int = expert(0, "number of the start on the seed's autoencoder, another order of the rows")

    def _preset(self) -> dict:
        own = DATASETS.get(self.dataset) if isinstance(self.dataset, str) else None
        return {**RECIPES[self.recipe], **(own.paper_settings if own is not None and self.recipe == "paper" else {})}

    def __post_init__(self):
        if self.data is None and self.dataset is None:
            object.__setattr__(self, "dataset", "mnist")
        super().__post_init__()
        self._check_rows()
        self._check_init()
        if self.outliers is not None:
            outlier_share(self.outliers, "outliers")
        if self.model != "vade":
            self._check_system()
        if self.clusters == AUTO and self.hints is not None:
            raise InputError("hints", "a number of clusters, whose groups they name", "auto", "set clusters to it")
        if self.hints is not None and self.limit is not None:
            raise InputError("hints", "no limit beside it: it needs one entry for each row", f"limit {self.limit}")

    def _check_rows(self) -> None:
        """Raises InputError where settings of the rows do not go together."""
        if self.data is not None and self.dataset is not None:
            raise InputError("data", "either a file or a named data set", f"{self.data!r} and {self.dataset!r}")
        if self.dataset is not None and self.dataset not in DATASETS:
            names = ", ".join(sorted(DATASETS))
            raise InputError("dataset", f"one of {names}", repr(self.dataset), "name a file of your own with data")
        of_files = {each.name for each in fields(self) if each.metadata.get("of_files")}
        for name in of_files if self.data is None else ("data_dir", "require_full"):
            if getattr(self, name) not in (None, False):
                rows = "a file of your own (data)" if self.data is None else "a named data set"
                raise InputError(name, f"it beside {rows}", repr(getattr(self, name)), "leave it out")

    def _check_system(self) -> None:
        """Raises InputError where a setting goes with VaDE alone."""
        alone = ("hints", "batch", "restart", "self_train_epochs", "outliers")
        names = [name for name in alone if getattr(self, name)]
        names += ["clusters"] if self.clusters == AUTO else []
        names += ["distribute"] if self.distribute != "none" else []
        names += ["pretrained"] if self.pretrained is not None and not SYSTEMS[self.model].pretrains else []
        if names:
            raise InputError(names[0], f"none with {self.model}", repr(getattr(self, names[0])), "leave it out")

    @property
    def init_file(self) -> str | None:
        """The file of the start; None where `init` is a name."""
        return None if self.init in METHODS else self.init

    def _check_init(self) -> None:
        """Raises InputError where `init` is no start, or a file that does not go with another setting."""
        if self.init_file is None:
            return
        if not self.init.endswith(".npy"):
            raise InputError("init", f"one of {', '.join(METHODS)}, or a .npy file", repr(self.init))
        if self.limit is not None or self.clusters == AUTO or self.model != "vade" or self.distribute == "multiworker":
            expected = "a name beside limit, clusters auto, other systems and several machines"
            raise InputError("init", expected, repr(self.init), "a file has one entry for each row")

    def resolve(self, n: int, features: int = NARROW, phases: Phases = VADE_PHASES, **rows: bool) -> Resolved:
        """The settings of the fit to n rows [n, features], with all that depends on the rows written out."""
        if self.init_file is not None:
            return replace(self, init=AUTO).resolve(n, features, phases, **rows)
        phases = SYSTEMS.get(self.model, phases)
        return replace(super().resolve(n, features, phases, **rows), restart=self.restart)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, default=lambda likelihood: likelihood.config())

    @classmethod
    def of(cls, values: dict) -> "TrainConfig":
        """The configuration whose `to_json` held these values; settings that a version does not have are left out.

        Raises:
            InputError: it has unusable settings.
        """
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def cluster_counts(text: str) -> range:
    """The numbers of clusters that text names: "12" is one, "5:20" all from 5 to 20, "5:20:5" every fifth.

    Raises:
        InputError: neither a number nor a range.
    """
    low, *more = text.split(":")
    try:
        if not more:
            return range(int(low), int(low) + 1)
        counts = range(int(low), int(more[0]) + 1, *map(int, more[1:]))
    except (TypeError, ValueError):
        counts = range(0)
    if not 1 < len(counts) <= MAX_RUNS or counts[0] < 1:
        raise InputError("clusters", "a number, a range such as 5:20 or 5:20:5, or auto", repr(text))
    return counts
