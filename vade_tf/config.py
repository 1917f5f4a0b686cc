"""`TrainConfig`: everything that decides a run, in one frozen dataclass; the recipes are presets of it.

The command line's flags are made from these fields, and the whole of it is written into the run folder.
"""

import json
from dataclasses import asdict, dataclass, field, fields

from vade_tf.baselines import SYSTEMS
from vade_tf.data.named import DATASETS
from vade_tf.errors import InputError

RECIPES: dict[str, dict] = {
    # Jiang et al., section 4.1 and the authors' code; the diagonal GMM on the pretrained code is their start.
    "paper": {
        "batch_size": 100,
        "pretrain_epochs": 50,
        "epochs": 300,
        "schedule": "step",
        "adam_epsilon": 1e-4,
        "augment": False,
        "init": "gmm",
        "guide_epochs": 0,
    },
    "robust": {},  # the defaults below
}


def option(default, text: str, **more):
    """A field with the text of its flag and, where they are few, its choices."""
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run. `TrainConfig.create(recipe=..., ...)` fills in a recipe; the defaults are recipe "robust"."""

    dataset: str | None = option(None, f"named data set: {', '.join(DATASETS)} (default: mnist)")
    data: str | None = option(None, "own file instead: .npy, .npz (x, y) or .csv with a header")
    data_dir: str | None = option(None, "folder that holds the named data set's files; else caches and download")
    labels: str | None = option(None, "with --data: labels for scoring; a .npy file, an .npz array or a .csv column")
    hints: str | None = option(None, ".npy with known groups, one a row, -1 unknown: semi-supervised training")
    require_full: bool = option(False, "fail rather than train on the bundled 5,000 MNIST digits when offline")
    limit: int | None = option(None, "use a random subset of this many rows")
    held_out: float = option(0.0, "share of the rows, drawn by --seed, that training leaves aside (a sweep: 0.1)")
    model: str = option("vade", "system to train: VaDE, or one it is compared with", choices=SYSTEMS)
    recipe: str = option("robust", "preset of the settings below", choices=tuple(sorted(RECIPES)))
    clusters: int | None = option(None, "number of clusters K (the named data set's own; needed with --data)")
    latent_dim: int = option(10, "width of the code")
    likelihood: str = option(
        "auto", "p(x|z); auto: bernoulli for values in [0, 1]", choices=("auto", "bernoulli", "gaussian")
    )
    batch_size: int = option(256, "rows a step")
    pretrained: str | None = option(None, "run folder whose autoencoder to start from, instead of pretraining one")
    pretrain_epochs: int | None = option(None, "epochs of the autoencoder (30, or more where rows are few; 0: none)")
    epochs: int | None = option(None, "epochs of VaDE (10, or more where rows are few)")
    learning_rate: float = option(2e-3, "Adam's learning rate at the start of each phase")
    schedule: str = option(
        "cosine", "cosine to 5 %%, or step: times --decay every --decay-epochs", choices=("cosine", "step")
    )
    decay: float = option(0.9, "factor of --schedule step, down to a tenth of the rate")
    decay_epochs: int = option(10, "epochs of a step of --schedule step")
    adam_epsilon: float = option(1e-7, "Adam's epsilon")
    augment: bool = option(True, "images: rotate, zoom and shift what the encoder reads in the VaDE phase")
    init: str = option("landmark", "starting mixture", choices=("landmark", "gmm", "kmeans"))
    guide_epochs: int | None = option(None, "epochs that hold on to the starting groups (nine tenths of --epochs)")
    regroups: int = option(3, "times that the held groups are found anew on the code as it is by then")
    guide_weight: float = option(20.0, "weight of holding on, and of --hints")
    seed: int = option(0, "seed of everything random")
    restart: int = option(0, "number of the start on that seed's autoencoder: another start and order of the rows")
    precision: str = option(
        "auto",
        "of the hidden layers; auto: what the device is fast at",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit: str = option("auto", "compile the step with XLA; auto: on a GPU", choices=("auto", "on", "off"))

    @classmethod
    def create(cls, **given) -> "TrainConfig":
        """The given settings over those of their recipe (the paper's also has some for a data set) over the defaults.

        Raises:
            InputError: an unknown recipe or setting, or a value out of range.
        """
        recipe = given.get("recipe", "robust")
        if recipe not in RECIPES:
            raise InputError(f"--recipe: expected one of {', '.join(sorted(RECIPES))}, got {recipe!r}")
        unknown = set(given) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"TrainConfig: unknown setting {', '.join(sorted(unknown))}")
        named = DATASETS.get(given.get("dataset") or "")
        own = named.paper if recipe == "paper" and named is not None else {}
        return cls(**{**RECIPES[recipe], **own, **given})

    def __post_init__(self):
        if self.data is None and self.dataset is None:
            object.__setattr__(self, "dataset", "mnist")
        if self.data is not None and self.dataset is not None:
            raise InputError(f"--data and --dataset: expected one of them, got {self.data!r} and {self.dataset!r}")
        if self.labels is not None and self.data is None:
            raise InputError("--labels: goes with --data; named data sets bring their own labels")
        if self.hints is not None and self.model != "vade":
            raise InputError(f"--hints: expected --model vade, which alone takes known groups, got {self.model!r}")
        if self.hints is not None and (self.limit is not None or self.held_out):
            raise InputError("--hints: expected neither --limit nor --held-out with it: they take rows away from it")
        for name in ("clusters", "latent_dim", "batch_size", "epochs", "limit", "decay_epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{flag(name)}: expected a whole number of at least 1, got {value}")
        for name in ("pretrain_epochs", "guide_epochs", "regroups", "restart"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"{flag(name)}: expected a whole number of at least 0, got {value}")
        if not 0 <= self.held_out < 1:
            raise InputError(f"--held-out: expected a share from 0 to below 1, got {self.held_out}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"--seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")
        for name in ("learning_rate", "adam_epsilon", "guide_weight", "decay"):
            value = getattr(self, name)
            if not (0 < value < float("inf") or (name == "guide_weight" and value == 0)):
                raise InputError(f"{flag(name)}: expected a positive number, got {value}")
        for each in fields(self):
            choices = each.metadata.get("choices")
            if choices and getattr(self, each.name) not in choices:
                raise InputError(
                    f"{flag(each.name)}: expected one of {', '.join(choices)}, got {getattr(self, each.name)!r}"
                )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        return cls(**json.loads(text))


def flag(name: str) -> str:
    """A field's name as its flag: "batch_size" -> "--batch-size"."""
    return "--" + name.replace("_", "-")


def cluster_counts(text: str) -> range:
    """The numbers of clusters that --clusters names: "12" is one, "5:20" all from 5 to 20, "5:20:5" every fifth.

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
        raise InputError(f"--clusters: expected a number, or a range such as 5:20 or 5:20:5, got {text!r}")
    low, high, step = [*numbers, 1][:3]
    return range(low, high + 1, step)
