"""`TrainConfig`: everything that decides a run: where its rows come from, which system, and the settings of the fit.

The command line's flags are made from these fields, and the whole of it is written into the run folder.
"""

import json
from dataclasses import asdict, dataclass, fields, replace

from vade_tf.data.named import DATASETS
from vade_tf.errors import InputError
from vade_tf.systems import SYSTEMS
from vade_tf.training.settings import AUTO, HIDDEN, METHODS, NARROW, RECIPES, Resolved, Settings, option

MOST = 1000  # runs of a study
MODELS = ("vade", *SYSTEMS)


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
        None,
        "own file instead: a table (.csv, .tsv, .txt, .data, .dat, .parquet), .npy, .npz, .h5, .h5ad, or a folder of "
        "images",
        path=True,
    )
    data_dir: str | None = option(
        None, "folder that holds the named data set's files; else caches and download", path=True
    )
    labels: str | None = option(
        None, "with data=FILE: labels for scoring; a column, an .npz array, a .npy file; folders: those images lie in"
    )
    columns: str | None = option(None, "with data=FILE: columns of a table to use, as in age,height (all)")
    drop: str | None = option(None, "with data=FILE: columns of a table to leave out; in quotes, if with a comma")
    id: str | None = option(None, "with data=FILE: column of a table that names the rows")
    text: str | None = option(
        None, "with data=FILE: column of texts, which are clustered by their words; lines: each line of a .txt is one"
    )
    transform: str | None = option(
        None, "with data=FILE: power brings the numbers of a table nearer to a normal distribution", choices=("power",)
    )
    sep: str | None = option(None, "with data=FILE: what separates the cells of a text file (found by csv.Sniffer)")
    decimal: str = option(".", "with data=FILE: decimal point of a text file")
    header: str = option(
        "0", "with data=FILE: line of a text file that names the columns, counted from 0; none: there is none"
    )
    na_values: str | None = option(
        None,
        "with data=FILE: texts that mean a missing cell, besides NA, NaN, ? and the like, as in -9999,unknown",
    )
    dtype: str | None = option(None, "with data=FILE: types of columns, as in zip=str,year=category")
    layer: str | None = option(None, "with data=FILE.h5ad: layer that holds the counts (X)")
    genes: int | None = option(
        None,
        "with data=FILE.h5ad, or an .h5 with names of genes: keep so many genes, those that vary most (all)",
        least=1,
    )
    batch: str | None = option(
        None, "with data=FILE.h5ad: column of obs with the experiment or donor of each cell, which the decoder is told"
    )
    image_shape: tuple[int, ...] | None = option(
        None,
        "with data=FILE: height,width of rows that are grey images, height,width,3 of colour ones, all columns being "
        "pixels; of a folder: what its images are brought to; none: rows are no images (arrays say it)",
        example="28,28",
        empty="none",
    )
    init: str = option(
        None,
        "start; auto: by the kind of the rows (docs/training.md); gmm, kmeans, spectral: of the code; or a .npy file "
        "with a group of each row, -1 unknown, or probabilities [n, K]",
    )
    hints: str | None = option(
        None, ".npy with known groups, one a row, -1 unknown: semi-supervised training", path=True
    )
    require_full: bool = option(False, "fail rather than train on the bundled 5,000 MNIST digits when offline")
    limit: int | None = option(None, "use a random subset of this many rows", least=1)
    held_out: float = option(
        0.0,
        "share of the rows, drawn by the seed, that training leaves aside (0.1 with a range of clusters)",
        least=0.0,
    )
    model: str = option("vade", "system to train: VaDE, or one it is compared with", choices=MODELS)
    pretrained: str | None = option(
        None, "run folder whose autoencoder to start from, instead of pretraining one", path=True
    )

    @classmethod
    def create(cls, /, **given) -> "TrainConfig":
        """`TrainConfig(**given)`, with an error of this package for a setting that there is not.

        Raises:
            InputError: an unknown setting, or one that cannot be used.
        """
        unknown = set(given) - {each.name for each in fields(cls)}
        if unknown:
            raise InputError(f"TrainConfig: unknown setting {', '.join(sorted(unknown))}")
        return cls(**given)

    def _preset(self) -> dict:
        own = DATASETS.get(self.dataset) if isinstance(self.dataset, str) else None
        return {**RECIPES[self.recipe], **(own.paper if own is not None and self.recipe == "paper" else {})}

    def __post_init__(self):
        if self.data is None and self.dataset is None:
            object.__setattr__(self, "dataset", "mnist")
        super().__post_init__()
        self._check_init()
        if self.data is not None and self.dataset is not None:
            raise InputError(f"data and dataset: expected one of them, got {self.data!r} and {self.dataset!r}")
        if self.dataset is not None and self.dataset not in DATASETS:
            names = ", ".join(sorted(DATASETS))
            raise InputError(f"dataset: expected one of {names}, got {self.dataset!r}; a file of your own is data=FILE")
        if self.labels is not None and self.data is None:
            raise InputError("labels: goes with data=FILE; named data sets bring their own labels")
        for name in ("data_dir", "require_full"):
            if getattr(self, name) and self.data is not None:
                raise InputError(f"{name}: goes with a named data set, got data={self.data!r}, too; leave it out")
        if self.batch is not None and self.data is None:
            raise InputError(
                f"batch: goes with data=FILE.h5ad, a column of which it names, got {self.batch!r}; the rows of a step "
                "are batch_size=N"
            )
        for name in ("columns", "drop", "id", "text", "transform", "sep", "na_values", "dtype", "layer", "genes"):
            if getattr(self, name) is not None and self.data is None:
                raise InputError(f"{name}: goes with data=FILE; named data sets have no columns to choose from")
        if self.image_shape is not None and self.data is None:
            raise InputError("image_shape: goes with data=FILE; named data sets have a shape of their own")
        if self.image_shape is not None and self.text is not None:
            raise InputError(f"image_shape: goes with numbers, got text={self.text!r}, too; leave out one")
        if self.clusters == AUTO and self.model != "vade":
            raise InputError(f"clusters: expected a number, which model={self.model!r} needs, got 'auto'")
        if self.distribute != "none" and self.model != "vade":
            raise InputError(f"distribute: expected model='vade', which alone shares batches, got {self.model!r}")
        if self.batch is not None and self.model != "vade":
            raise InputError(f"batch: expected model='vade', which alone is told of batches, got {self.model!r}")
        if self.clusters == AUTO and self.hints is not None:
            raise InputError("hints: name groups of a known number of clusters; use clusters=K, not 'auto'")
        if self.restart and self.model != "vade":
            raise InputError(
                f"restart: expected model='vade', which alone has another start, got {self.model!r}; take another seed"
            )
        if self.hints is not None and self.model != "vade":
            raise InputError(f"hints: expected model='vade', which alone takes known groups, got {self.model!r}")
        if self.self_train_epochs and self.model != "vade":
            raise InputError(
                f"self_train_epochs: expected 0 or none with model={self.model!r}, VaDE's groups alone are sharpened, "
                f"got {self.self_train_epochs}"
            )
        if self.hints is not None and (self.limit is not None or self.held_out):
            raise InputError("hints: cannot be combined with limit or held_out: it needs one entry for each row")
        if self.held_out >= 1:
            raise InputError(f"held_out: expected a share from 0 to below 1, got {self.held_out}")
        if self.pretrained is not None and not (self.model == "vade" or SYSTEMS[self.model].pretrains):
            raise InputError(f"pretrained: {self.model} does not start from an autoencoder; leave it out")

    @property
    def init_file(self) -> str | None:
        """The file of the start; None where `init` is a name."""
        return None if self.init in METHODS else self.init

    def _check_init(self) -> None:
        """Raises InputError where `init` is no start, or a file that does not go with another setting."""
        if self.init_file is None:
            return
        if not self.init.endswith(".npy"):
            raise InputError(f"init: expected one of {', '.join(METHODS)}, or a .npy file, got {self.init!r}")
        if self.limit is not None or self.held_out:
            raise InputError("init: a file cannot be combined with limit or held_out: it needs one entry for each row")
        if self.clusters == AUTO:
            raise InputError("init: a file has a known number of clusters; use clusters=K, not 'auto'")
        if self.model != "vade" or self.distribute == "multiworker":
            raise InputError("init: a file goes with model='vade' on one machine; use one of the names")

    def resolve(
        self,
        n: int,
        features: int = NARROW,
        *,
        sharpens: bool = False,
        convolves: bool = False,
        learns_variance: bool = True,
        **more,
    ) -> Resolved:
        """The settings of the fit to n rows [n, features], with all that depends on the rows written out."""
        if self.init_file is not None:
            return replace(self, init=AUTO).resolve(
                n, features, sharpens=sharpens, convolves=convolves, learns_variance=learns_variance, **more
            )
        if self.model == "vade":
            told = {"sharpens": sharpens, "convolves": convolves, "learns_variance": learns_variance}
            return super().resolve(n, features, **told)
        return super().resolve(n, features, learns_variance=learns_variance, **vars(SYSTEMS[self.model]))

    def of_runs(self) -> str:
        found = {name: getattr(self, name) for name in ("hints", "pretrained", "limit", "held_out")}
        found = {"model": self.model, **found} if self.model != "vade" else found
        return ", ".join(f"{name}={value!r}" for name, value in found.items() if value)

    def plain(self) -> Settings:
        """The settings of the fit alone, whose rows, hints and autoencoder are given apart."""
        values = {each.name: getattr(self, each.name) for each in fields(Settings)}
        return Settings(**{**values, "init": AUTO if self.init_file else self.init})

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def of(cls, values: dict) -> "TrainConfig":
        """The configuration whose `to_json` held these values.

        Raises:
            InputError: it has unknown or unusable settings.
        """
        if isinstance(values.get("augment"), bool):  # as it was before there were two kinds
            values = {**values, "augment": "digits" if values["augment"] else "none"}
        values = {"hidden": HIDDEN, "network": "dense", **values}  # what every run had before a setting
        if values.get("data") is not None:  # what was ignored is refused now
            values |= {"data_dir": None, "require_full": False}
        if values.get("model", "vade") != "vade":  # older versions took it, and did nothing with it
            values |= {"restart": 0}
        if values["network"] == "conv":  # whose widths were written down, which are none of its networks
            values["hidden"] = None
        return cls.create(**values)


def cluster_counts(text: str) -> range:
    """The numbers of clusters that text names: "12" is one, "5:20" all from 5 to 20, "5:20:5" every fifth.

    Raises:
        InputError: neither a number nor a range.
    """
    try:
        numbers = [int(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return range(numbers[0], numbers[0] + 1)
    if len(numbers) not in (2, 3) or not 1 <= numbers[0] < numbers[1] or min(numbers) < 1:
        raise InputError(f"clusters: expected a number, or a range such as 5:20 or 5:20:5, or auto, got {text!r}")
    low, high, step = [*numbers, 1][:3]
    if low + step > high:
        raise InputError(f"clusters: expected a range of several numbers, got {text!r}, which is {low} alone")
    if (high - low) // step >= MOST:
        raise InputError(f"clusters: expected a range of at most {MOST:,} numbers, got {text!r}; take larger steps")
    return range(low, high + 1, step)
