"""`TrainConfig`: everything that decides a run, in one frozen dataclass; the recipes are presets of it.

The command line's flags are made from these fields, and the whole of it is written into the run folder.
"""

import json
from dataclasses import asdict, dataclass, field, fields

from vade_tf.baselines import SYSTEMS
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

    dataset: str | None = option(None, "named data set: mnist, fashion_mnist, digits (mnist if --data is not given)")
    data: str | None = option(None, "own file instead: .npy, .npz (x, y) or .csv with a header")
    data_dir: str | None = option(None, "folder that holds the named data set's files; else caches and download")
    labels: str | None = option(None, "with --data: labels for scoring; a .npy file, an .npz array or a .csv column")
    hints: str | None = option(None, ".npy with known groups, one a row, -1 unknown: semi-supervised training")
    require_full: bool = option(False, "fail rather than train on the bundled 5,000 MNIST digits when offline")
    limit: int | None = option(None, "use a random subset of this many rows")
    model: str = option("vade", "system to train: VaDE, or one it is compared with", choices=SYSTEMS)
    recipe: str = option("robust", "preset of the settings below", choices=tuple(sorted(RECIPES)))
    clusters: int | None = option(None, "number of clusters K (the named data set's own; needed with --data)")
    latent_dim: int = option(10, "width of the code")
    likelihood: str = option(
        "auto", "p(x|z); auto: bernoulli for values in [0, 1]", choices=("auto", "bernoulli", "gaussian")
    )
    batch_size: int = option(256, "rows a step")
    pretrained: str | None = option(None, "run folder whose autoencoder to start from, instead of pretraining one")
    pretrain_epochs: int | None = option(None, "epochs of the autoencoder (30, or more where rows are few)")
    epochs: int | None = option(None, "epochs of VaDE (10, or more where rows are few)")
    learning_rate: float = option(2e-3, "Adam's learning rate at the start of each phase")
    schedule: str = option("cosine", "cosine to 5 %%, or step: times 0.9 every 10 epochs", choices=("cosine", "step"))
    adam_epsilon: float = option(1e-7, "Adam's epsilon")
    augment: bool = option(True, "images: rotate, zoom and shift what the encoder reads in the VaDE phase")
    init: str = option("landmark", "starting mixture", choices=("landmark", "gmm", "kmeans"))
    guide_epochs: int | None = option(None, "epochs that hold on to the starting groups (four fifths of --epochs)")
    regroup_epoch: int | None = option(
        None, "epoch of VaDE after which the held groups are found anew (half of --guide-epochs; 0: never)"
    )
    guide_weight: float = option(20.0, "weight of holding on, and of --hints")
    seed: int = option(0, "seed of everything random")
    precision: str = option(
        "auto",
        "of the hidden layers; auto: what the device is fast at",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit: str = option("auto", "compile the step with XLA; auto: on a GPU", choices=("auto", "on", "off"))

    @classmethod
    def create(cls, **given) -> "TrainConfig":
        """The given settings over those of their recipe over the defaults.

        Raises:
            InputError: an unknown recipe or setting, or a value out of range.
        """
        recipe = given.get("recipe", "robust")
        if recipe not in RECIPES:
            raise InputError(f"--recipe: expected one of {', '.join(sorted(RECIPES))}, got {recipe!r}")
        unknown = set(given) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"TrainConfig: unknown setting {', '.join(sorted(unknown))}")
        return cls(**{**RECIPES[recipe], **given})

    def __post_init__(self):
        if self.data is None and self.dataset is None:
            object.__setattr__(self, "dataset", "mnist")
        if self.data is not None and self.dataset is not None:
            raise InputError(f"--data and --dataset: expected one of them, got {self.data!r} and {self.dataset!r}")
        if self.labels is not None and self.data is None:
            raise InputError("--labels: goes with --data; named data sets bring their own labels")
        if self.hints is not None and self.model != "vade":
            raise InputError(f"--hints: expected --model vade, which alone takes known groups, got {self.model!r}")
        for name in ("clusters", "latent_dim", "batch_size", "pretrain_epochs", "epochs", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{flag(name)}: expected a whole number of at least 1, got {value}")
        for name in ("guide_epochs", "regroup_epoch"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"{flag(name)}: expected a whole number of at least 0, got {value}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"--seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")
        for name in ("learning_rate", "adam_epsilon", "guide_weight"):
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
