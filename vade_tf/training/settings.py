"""`Settings`: everything that decides a fit besides the rows; the recipes are presets of it.

No TensorFlow here: the command line makes its flags from these fields.
"""

import dataclasses
import math
import typing
from dataclasses import dataclass, field, fields
from typing import Any

from vade_tf.errors import InputError
from vade_tf.seeding import fold
from vade_tf.training.setting_values import checked

AUTO = "auto"
METHODS = (AUTO, "gmm", "kmeans", "spectral")  # of a start
PRECISIONS = (AUTO, "float32", "mixed_bfloat16", "mixed_float16")
HIDDEN = (500, 500, 2000)  # the paper's widths, ...
FULL_WIDTH_ROWS = 5000  # ... of which fewer rows get a share in proportion, but at least a tenth
NARROW, NARROW_HIDDEN = 64, (128, 128)  # rows of fewer features than this need no more layers and units than these
PRETRAIN_EPOCHS = 30
EPOCHS = 10  # of VaDE
REGROUPS = 3
# Many small grey images: a classifier sharpens the groups halfway, and VaDE is held to these to the end
SELF_TRAINED, SELF_TRAIN_EPOCHS, SHARPENED_EPOCHS, SHARPENED_REGROUPS = 50_000, 20, 20, 1
# Few rows make few updates: an epoch passes over them until it has made this many of the autoencoder (four times as
# many wear out the code of Reuters R8) and of the phase after it
PRETRAIN_UPDATES = 50
UPDATES, NARROW_UPDATES = 250, 100  # the second of rows of few features, whose groups do not come from the code
# Fewer rows than this are learned by heart: then a tenth of them, within these bounds, say when that begins
MANY_ROWS, FEWEST_ASIDE, MOST_ASIDE = 50_000, 20, 2000
PATIENCE = 4  # epochs of the autoencoder
SAMPLE_ROWS = 5000  # that are looked at where a look at all would cost more than it tells
BATCH, CONVOLVED_BATCH = 256, 128  # rows a step; a convolution takes twice as long for twice the rows

RECIPES: dict[str, dict] = {
    "robust": {
        "schedule": "cosine",
        "decay": 0.9,
        "decay_epochs": 10,
        "adam_epsilon": 1e-7,
        "augment": "digits",
        "init": AUTO,
    },
    # Jiang et al., section 4.1 and the authors' code; the diagonal GMM on the pretrained code is their start.
    "paper": {
        "hidden": HIDDEN,
        "batch_size": 100,
        "pretrain_epochs": 50,
        "epochs": 300,
        "schedule": "step",
        "decay": 0.9,
        "decay_epochs": 10,
        "adam_epsilon": 1e-4,
        "augment": "none",
        "init": "gmm",
        "guide_epochs": 0,
        "validation_rows": 0,
    },
}


def option(default, text: str, **more) -> Any:
    """A setting with its description and, where it has them: choices, and the least number it may be."""
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class Settings:
    """Settings of a fit. What is left at None follows from the recipe or, where the text says so, from the rows.

    Raises:
        InputError: a setting of the wrong type or out of range; it names the setting. What hangs on others or on the
            rows, and a `decay` above 1, which older runs may have, is refused by the fit.
    """

    recipe: str = option("robust", "preset of the settings below", choices=tuple(RECIPES))
    clusters: int | str | None = option(
        None, "number of clusters K; auto: the largest with a prediction strength of 0.8", least=1, words=(AUTO,)
    )
    latent_dim: int = option(10, "width of the code", least=1)
    hidden: tuple[int, ...] | None = option(
        None,
        "widths of the encoder's hidden layers, mirrored by the decoder (500,500,2000; less for few rows or columns)",
        example="500,500,2000",
    )
    network: str = option(
        "auto",
        "networks of images, dense or convolutional (auto: conv for fewer than 50,000 images of 12 to 32 pixels a "
        "side, unless hidden is given)",
        choices=("auto", "dense", "conv"),
    )
    likelihood: str = option(
        "auto",
        "p(x|z); auto: bernoulli for images and the like, counts for whole numbers with a long tail, else gaussian",
        choices=("auto", "bernoulli", "counts", "zinb", "gaussian"),
    )
    batch_size: int | None = option(
        None, "rows a step (256; VaDE with convolutional networks: 128; recipe paper: 100)", least=1
    )
    pretrain_epochs: int | None = option(None, "epochs of the autoencoder (30; recipe paper: 50; 0: none)")
    epochs: int | None = option(None, "epochs of VaDE (10, 20 with self_train_epochs; recipe paper: 300)", least=1)
    pretrain_passes: int | None = option(
        None,
        "passes over the rows in an epoch of the autoencoder (enough for 50 updates; 1 if their number is given)",
        least=1,
    )
    passes: int | None = option(
        None,
        "passes over the rows in an epoch of VaDE (enough for 250 updates, 100 of few columns; 1 if epochs are given)",
        least=1,
    )
    validation_rows: int | None = option(
        None,
        "rows set aside, without a gradient, to measure when the autoencoder stops and the variance of p(x|z) (a tenth "
        "of fewer than 50,000 rows, 20 to 2,000, or a fifth of fewer than 100; none without a variance; 0: none)",
    )
    patience: int | None = option(
        None,
        "epochs without a lower loss of these rows after which the autoencoder stops (4; 0 if pretrain_epochs is "
        "given; 0: never)",
    )
    learning_rate: float = option(2e-3, "Adam's learning rate at the start of each phase")
    schedule: str = option(None, "cosine to 5 %, or step: times decay every decay_epochs", choices=("cosine", "step"))
    decay: float = option(None, "factor of the step schedule, at most 1, down to a tenth of the rate")
    decay_epochs: int = option(None, "epochs of a step of the step schedule", least=1)
    adam_epsilon: float = option(None, "Adam's epsilon")
    augment: str = option(
        None,
        "augmentation of what the encoder reads; of images, in the VaDE phase and for a convolutional autoencoder, "
        "digits: rotate, zoom and shift, or photos: mirror, crop and change colours; none",
        choices=("digits", "photos", "none"),
    )
    init: str = option(
        None,
        "start; auto: by the kind of the rows (docs/training.md); gmm, kmeans, spectral: of the code",
        choices=METHODS,
    )
    guide_epochs: int | None = option(None, "epochs in which a cross-entropy holds each row to the start (all)")
    regroups: int | None = option(
        None, "how often a start on the code is recomputed during these epochs (3; 1 with self_train_epochs)"
    )
    self_train_epochs: int | None = option(
        None,
        "epochs of a classifier of augmented images that sharpens the start (20 for 50,000 grey images and "
        "more, of at most 32 pixels a side, unless epochs, guide_epochs or regroups is given; 0: none)",
    )
    guide_weight: float = option(20.0, "weight of that cross-entropy, and of hints, in the loss", least=0.0)
    seed: int = option(0, "seed of everything random")
    restart: int = option(0, "number of the start on that seed's autoencoder: another start and order of the rows")
    precision: str = option(
        "auto",
        "precision of the hidden layers; auto: the fastest that the device has instructions for",
        choices=PRECISIONS,
    )
    jit: str = option("auto", "compile the step with XLA; auto: on a GPU", choices=("auto", "on", "off"))
    distribute: str = option(
        "none",
        "share every batch among devices; mirrored: all of this machine, multiworker: those of a cluster",
        choices=("none", "mirrored", "multiworker"),
    )

    def __post_init__(self):
        if isinstance(self.recipe, str) and self.recipe in RECIPES:
            for name, value in self._preset().items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, value)
        hints = typing.get_type_hints(type(self))
        for each in fields(self):
            value = checked(each.name, getattr(self, each.name), hints[each.name], each.metadata)
            object.__setattr__(self, each.name, value)
        if self.jit == "on" and self.distribute != "none":
            raise InputError("jit: XLA cannot compile a step that devices share; use jit='off' or distribute='none'")

    def _preset(self) -> dict:
        """What the recipe sets."""
        return RECIPES[self.recipe]

    def opening(self) -> typing.Self:
        """These settings, with one cluster where K is not chosen yet: the autoencoder needs no K."""
        return dataclasses.replace(self, clusters=1) if self.clusters == AUTO else self

    def of_runs(self) -> str:
        """The settings that say something of how a run is made of files, as NAME=VALUE; "": there are none."""
        return ""

    def resolve(
        self,
        n: int,
        features: int = NARROW,
        *,
        epochs: int | None = None,
        updates: int = 0,
        pretrains: bool = True,
        sharpens: bool = False,
        convolves: bool = False,
        learns_variance: bool = True,
    ) -> "Resolved":
        """These settings with all that depends on the rows written out.

        An epoch whose number the settings give is one pass over the rows. Where they leave it open, an epoch of few
        rows is several.

        Args:
            n: number of rows.
            features: D, their width.
            epochs: of the phase after the autoencoder where the settings do not say; None: those of VaDE.
            updates: of that phase, in whole epochs, for a system whose length is counted so; 0: `epochs` says it.
            pretrains: whether there is an autoencoder's phase.
            sharpens: whether VaDE trains on images whose groups a classifier sharpens where the settings do not say.
            convolves: whether VaDE has convolutional networks.
            learns_variance: whether the likelihood has a variance, for which rows are set aside where the settings do
                not say how many.

        Raises:
            InputError: no number of clusters, one that is still to be chosen, or more clusters than rows.
        """
        if self.clusters is None:
            raise InputError("clusters: expected the number of clusters, got None")
        if isinstance(self.clusters, str):
            raise InputError(f"clusters: expected a number, got {self.clusters!r}, which goes with fit of VaDE alone")
        aside, patience = self.validation_rows, self.patience
        if aside is None:
            aside = set_aside(n) if learns_variance else 0
            patience = patience if learns_variance else 0
        self._check_number(self.clusters, aside, n)
        batch_size = self.batch_size or (CONVOLVED_BATCH if convolves else BATCH)
        if patience is None:
            patience = PATIENCE if self.pretrain_epochs is None else 0
        pretraining = self.pretrain_epochs if pretrains else 0
        pretrain_passes = self.pretrain_passes or (
            1 if pretraining is not None else math.ceil(PRETRAIN_UPDATES / math.ceil((n - aside) / batch_size))
        )
        pretraining = PRETRAIN_EPOCHS if pretraining is None else pretraining
        least = NARROW_UPDATES if features < NARROW else UPDATES
        sharpening = self.self_train_epochs
        if sharpening is None:
            left_open = self.epochs is None and self.guide_epochs is None and self.regroups is None
            alone = self.augment == "digits" and self.distribute == "none"
            guides = self.guide_weight > 0
            sharpening = SELF_TRAIN_EPOCHS if sharpens and n >= SELF_TRAINED and left_open and alone and guides else 0
        read = n - aside if epochs is None else n  # VaDE alone leaves out the rows that are set aside
        steps = math.ceil(read / batch_size)  # of one pass
        if epochs is None:
            epochs = SHARPENED_EPOCHS if sharpening else EPOCHS
        passes = self.passes or (1 if self.epochs is not None else math.ceil(least / steps))
        if self.epochs is not None:
            epochs = self.epochs
        elif updates:
            epochs = math.ceil(updates / (steps * passes))
        guided = self.guide_epochs
        if guided is None:
            guided = epochs
        if self.guide_weight == 0:  # nothing is held on to
            guided = 0
        regroups = self.regroups
        if regroups is None:
            regroups = SHARPENED_REGROUPS if sharpening else REGROUPS
        values = {each.name: getattr(self, each.name) for each in fields(Settings)}
        lengths = {"pretrain_epochs": pretraining, "epochs": epochs, "guide_epochs": guided}
        lengths |= {"regroups": regroups, "self_train_epochs": sharpening}
        lengths |= {"pretrain_passes": pretrain_passes, "passes": passes}
        lengths |= {"validation_rows": aside, "patience": patience, "batch_size": batch_size}
        if self.network == "auto" and self.hidden is not None:
            values["network"] = "dense"  # which has these widths
        return Resolved(**{**values, **lengths, "hidden": self.hidden or widths(n, features)})

    def _check_number(self, clusters: int, aside: int, n: int) -> None:
        """Raises InputError where n rows are too few for so many clusters, or to set so many aside."""
        if clusters > n:
            raise InputError(f"clusters: expected at most the number of rows, {n}, got {clusters}")
        if aside >= n:
            raise InputError(f"validation_rows: expected fewer than the rows, {n}, got {aside}")


@dataclass(frozen=True)
class Resolved(Settings):
    """Settings of a fit to a known number of rows: nothing is left open."""

    clusters: int = option(1, "number of clusters K", least=1)
    hidden: tuple[int, ...] = option(HIDDEN, "widths of the encoder's hidden layers", example="500,500,2000")
    batch_size: int = option(BATCH, "rows a step", least=1)
    pretrain_epochs: int = option(0, "epochs of the autoencoder")
    epochs: int = option(0, "epochs of the phase after it", least=0)
    guide_epochs: int = option(0, "epochs in which a cross-entropy holds each row to the start")
    regroups: int = option(0, "how often a start on the code is recomputed during these epochs")
    self_train_epochs: int = option(0, "epochs of a classifier that sharpens the last of these")
    pretrain_passes: int = option(1, "passes over the rows in an epoch of the autoencoder", least=1)
    passes: int = option(1, "passes over the rows in an epoch of the phase after it", least=1)
    validation_rows: int = option(0, "rows without a gradient")
    patience: int = option(0, "epochs without a lower loss of these rows after which the autoencoder stops; 0: never")

    def resolve(self, n: int, features: int = NARROW, **more) -> "Resolved":
        self._check_number(self.clusters, self.validation_rows, n)
        return self

    @property
    def start_seed(self) -> int:
        """Seed of the starts and of the order of the rows in the VaDE phase."""
        return self.seed if self.restart == 0 else fold(self.seed, self.restart)


def widths(n: int, features: int) -> tuple[int, ...]:
    """Widths of the hidden layers for n rows: 3.3 million weights would learn a few hundred rows by heart."""
    if features < NARROW:
        return NARROW_HIDDEN
    share = min(1.0, max(0.1, n / FULL_WIDTH_ROWS))
    return tuple(round(share * width) for width in HIDDEN)


def set_aside(n: int) -> int:
    """How many of n rows get no gradient where the settings leave it open."""
    return 0 if n >= MANY_ROWS else min(max(n // 10, min(FEWEST_ASIDE, n // 5)), MOST_ASIDE)
