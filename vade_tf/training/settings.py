"""`Settings`: everything that decides a fit besides the rows; the recipes are presets of it.

No TensorFlow here: the command line makes its flags from these fields.
"""

import dataclasses
import math
import operator
import os
import reprlib
import typing
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from vade_tf.data.dataset import KINDS
from vade_tf.errors import InputError
from vade_tf.seeding import fold
from vade_tf.training import sharpening

AUTO = "auto"
METHODS = (AUTO, "gmm", "kmeans", "spectral")  # of a start
PRECISIONS = (AUTO, "float32", "mixed_bfloat16", "mixed_float16")
HIDDEN = (500, 500, 2000)  # widths of Jiang et al., section 4.1
NARROW = 64  # features below which two layers of 128 units do; by a script of this package, on tables
FULL_WIDTH_ROWS = 5000  # fewer rows get a share of `HIDDEN` in proportion; by a script, on digits and tables
MANY_ROWS = 50_000  # rows that networks of this size do not learn by heart; by a script, on MNIST
MIN_VALIDATION_ROWS, MAX_VALIDATION_ROWS = 20, 2000  # enough to see a loss rise; more cost rows, or time
# A default length is a number of blocks. A block is so many epochs that it has at least these updates.
BLOCKS, PRETRAIN_BLOCKS = 10, 30  # of VaDE and of the autoencoder
MIN_UPDATES, MIN_NARROW_UPDATES = 250, 100  # of VaDE, and of VaDE on narrow rows; by a script, on digits and tables
MIN_PRETRAIN_UPDATES = 50  # of the autoencoder; four times as many wear out the code of Reuters R8
REGROUPS = 3  # times that P is recomputed while VaDE is held to it
PATIENCE = 4  # blocks in which the autoencoder's validation loss must fall, or it stops
MIN_BLOCKS = 10  # of a phase whose epochs are set: it is recorded and validated at least so often
SAMPLE_ROWS = 5000  # rows that are looked at where a look at all would cost more than it tells

# Jiang et al., section 4.1 and the authors' code; the diagonal GMM on the pretrained code is their start.
# What is no field of `Settings` is one of `Resolved`.
RECIPES: dict[str, dict] = {
    "robust": {"schedule": "cosine", "augment": "digits", "init": AUTO},
    "paper": {
        "hidden": HIDDEN, "batch_size": 100, "pretrain_epochs": 50, "epochs": 300,
        "schedule": "step", "decay": 0.9, "decay_epochs": 10, "adam_epsilon": 1e-4,
        "augment": "none", "init": "gmm", "guide_epochs": 0, "validation_rows": 0,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Phases:
    """The phases of a system, where the settings do not say.

    Attributes:
        pretrains: whether it starts from the autoencoder.
        epochs: of its own phase, of few rows a multiple; 0: it has none.
        updates: instead of `epochs`, where the published length is a number of updates; in whole blocks of epochs.
    """

    pretrains: bool = False
    epochs: int = 0
    updates: int = 0

    def blocks(self, steps: int) -> int:
        """The blocks of its own phase, of so many updates each."""
        return math.ceil(self.updates / steps) if self.updates else self.epochs


VADE_PHASES = Phases(pretrains=True, epochs=BLOCKS)


def option(default, text: str, **more) -> Any:
    """A setting with its description and, where it has them, its choices or the least number it may be."""
    return field(default=default, metadata={"help": text, **more})


def expert(default, text: str, **more) -> Any:
    """An `option` that `--help` leaves to `--help-all`."""
    return option(default, text, expert=True, **more)


@dataclass(frozen=True)
class Settings:
    """Settings of a fit. What is left at None follows from the recipe or, where the text says so, from the rows.

    Raises:
        InputError: a setting has the wrong type or is out of range. What depends on other settings or on the rows is
            refused by the fit.
    """

    recipe: str = option("robust", "preset of the settings below: robust, or paper", choices=tuple(RECIPES))
    clusters: int | str | None = option(
        None, "number of clusters K; LOW:HIGH[:STEP]: one model each; auto: K is chosen first", least=1, words=(AUTO,)
    )
    latent_dim: int = option(10, "width of the code", least=1)
    hidden: tuple[int, ...] | None = option(
        None, "widths of the encoder (500,500,2000; less for few rows or columns)", example="500,500,2000"
    )
    network: str = expert(
        AUTO,
        "networks of images (auto: conv for fewer than 50,000 images of 12 to 32 pixels a side, unless hidden is set)",
        choices=(AUTO, "dense", "conv"),
    )
    kind: str = expert(
        AUTO,
        "what rows are taken for: images, texts, embeddings, counts, table or rows; auto: what their values say",
        choices=(AUTO, *KINDS),
    )
    likelihood: str | Any = option(  # noqa: RUF009  as all others
        AUTO, "p(x|z): bernoulli, gaussian, counts, zinb; auto: as the values ask for"
    )
    batch_size: int | None = option(
        None, "rows a step (256; VaDE with convolutional networks: 128; recipe paper: 100)", least=1
    )
    pretrain_epochs: int | None = option(
        None, "passes over the rows by the autoencoder, at most (30, of few rows more; recipe paper: 50)"
    )
    epochs: int | None = option(
        None, "passes over the rows by VaDE (10, of few rows more, self-trained 20; recipe paper: 300)", least=1
    )
    validation_rows: int | None = expert(
        None, "rows that end pretraining and give the variance of p(x|z) (a tenth of fewer than 50,000; 0: none)"
    )
    learning_rate: float = option(2e-3, "Adam's learning rate at the start of each phase")
    schedule: str = expert(
        None,
        "of the learning rate: cosine to 5 %, step: times 0.9 every 10 epochs down to a tenth, or constant",
        choices=("cosine", "step", "constant"),
    )
    augment: str = option(None, "augmentation of images: digits (turn, zoom, shift), none", choices=("digits", "none"))
    init: str = expert(
        None, "start; auto: by the kind of the rows; gmm, kmeans, spectral: of the code", choices=METHODS
    )
    guide_epochs: int | None = expert(None, "epochs in which a cross-entropy holds each row to the start (all)")
    regroups: int | None = expert(
        None, "how often a start on the code is recomputed in these epochs (3; 1 with self_train_epochs)"
    )
    self_train_epochs: int | None = expert(
        None, "epochs of a classifier that sharpens the start (20 for 50,000 and more small grey images; 0: none)"
    )
    guide_weight: float = expert(20.0, "weight of that cross-entropy, and of hints, in the loss", least=0.0)
    seed: int = option(0, "seed of everything random")
    precision: str = expert(
        AUTO, "of the hidden layers; auto: the fastest that the device has instructions for", choices=PRECISIONS
    )
    jit: str = expert(AUTO, "compile the step with XLA; auto: on a GPU", choices=(AUTO, "on", "off"))
    distribute: str = expert(
        "none",
        "share every batch among devices; mirrored: all of this machine, multiworker: those of a cluster",
        choices=("none", "mirrored", "multiworker"),
    )

    def __post_init__(self):
        if isinstance(self.recipe, str) and self.recipe in RECIPES:
            for name, value in self._preset().items():
                if getattr(self, name, value) is None:
                    object.__setattr__(self, name, value)
        hints = typing.get_type_hints(type(self))
        for each in fields(self):
            value = _checked(each.name, getattr(self, each.name), hints[each.name], each.metadata)
            object.__setattr__(self, each.name, value)
        if self.jit == "on" and self.distribute != "none":
            raise InputError("jit", "'auto' or 'off' where devices share a step", "'on'", "set distribute to none")

    def _preset(self) -> dict:
        return RECIPES[self.recipe]

    def opening(self) -> typing.Self:
        """These settings, with one cluster where K is not chosen yet: the autoencoder needs no K."""
        return dataclasses.replace(self, clusters=1) if self.clusters == AUTO else self

    def resolve(
        self,
        n: int,
        features: int = NARROW,
        phases: Phases = VADE_PHASES,
        *,
        sharpens: bool = False,
        convolves: bool = False,
        learns_variance: bool = True,
    ) -> "Resolved":
        """These settings with all that depends on the rows written out.

        Args:
            n, features: number of rows, and their width D.
            phases: of the system that is fitted; default: of VaDE.
            sharpens, convolves: of VaDE: whether a classifier sharpens the groups by default, and whether its networks
                are convolutional.
            learns_variance: whether the likelihood has a variance, which validation rows measure by default.

        Raises:
            InputError: no number of clusters, one that is still to be chosen, or more clusters than rows.
        """
        if not isinstance(self.clusters, int):
            raise InputError("clusters", "a number of clusters", repr(self.clusters))
        is_vade = phases == VADE_PHASES
        validation_rows = self._validation_rows(n, learns_variance)
        self._check_number(self.clusters, validation_rows, n)
        batch_size = self.batch_size or (128 if convolves and is_vade else 256)  # a convolution takes twice as long
        trained_steps = math.ceil((n - validation_rows) / batch_size)  # of a pass over the rows
        steps = trained_steps if is_vade else math.ceil(n / batch_size)  # VaDE alone leaves validation rows out
        block = math.ceil((MIN_NARROW_UPDATES if features < NARROW else MIN_UPDATES) / steps)
        sharpens = sharpening.runs(self, n, sharpens and is_vade)
        blocks = sharpening.VADE_BLOCKS if is_vade and sharpens else phases.blocks(steps * block)
        values: dict = {each.name: getattr(self, each.name) for each in fields(Settings)}
        values |= {name: value for name, value in self._preset().items() if name not in values}
        values |= {"batch_size": batch_size, "validation_rows": validation_rows}
        values["hidden"] = self.hidden or _widths(n, features)
        if self.network == AUTO and self.hidden is not None:
            values["network"] = "dense"  # which has these widths
        values |= self._pretraining(trained_steps) if phases.pretrains else {"pretrain_epochs": 0}
        return Resolved(**(values | self._training(block, blocks, sharpens)))

    def _validation_rows(self, n: int, learns_variance: bool) -> int:
        """Number of validation rows of n rows: by default a tenth, none where no variance is learned or n is large."""
        if self.validation_rows is not None:
            return self.validation_rows
        if not learns_variance or n >= MANY_ROWS:
            return 0
        fewest = min(MIN_VALIDATION_ROWS, n // 5)
        return min(max(n // 10, fewest), MAX_VALIDATION_ROWS)

    def _pretraining(self, steps: int) -> dict[str, int]:
        """Length of the autoencoder's training, where a pass over its rows has so many steps."""
        block = math.ceil(MIN_PRETRAIN_UPDATES / steps)
        epochs = PRETRAIN_BLOCKS * block if self.pretrain_epochs is None else self.pretrain_epochs
        interval = _interval(block, epochs)
        return {"pretrain_epochs": epochs, "pretrain_interval": interval, "patience": PATIENCE * block}

    def _training(self, block: int, blocks: int, sharpens: bool) -> dict[str, int]:
        """Lengths of the phase after the autoencoder, by default so many blocks of so many epochs."""
        epochs = block * blocks if self.epochs is None else self.epochs
        guide_epochs = epochs if self.guide_epochs is None else self.guide_epochs
        regroups, self_train_epochs = self.regroups, self.self_train_epochs
        if regroups is None:
            regroups = sharpening.REGROUPS if sharpens else REGROUPS
        if self_train_epochs is None:
            self_train_epochs = block * sharpening.BLOCKS if sharpens else 0
        return {
            "epochs": epochs,
            "interval": _interval(block, epochs),
            "guide_epochs": 0 if self.guide_weight == 0 else guide_epochs,
            "regroups": regroups,
            "self_train_epochs": self_train_epochs,
        }

    def _check_number(self, clusters: int, validation: int, n: int) -> None:
        """Raises InputError where n rows are too few for so many clusters, or validation rows."""
        if clusters > n:
            raise InputError("clusters", f"at most the number of rows, {n}", str(clusters))
        if validation >= n:
            raise InputError("validation_rows", f"fewer than the rows, {n}", str(validation))


@dataclass(frozen=True)
class Resolved(Settings):
    """Settings of a fit to a known number of rows: nothing is left open, and what the recipe alone sets is there."""

    clusters: int = option(1, "number of clusters K", least=1)
    hidden: tuple[int, ...] = option(HIDDEN, "widths of the encoder's hidden layers", example="500,500,2000")
    batch_size: int = option(256, "rows a step", least=1)
    pretrain_epochs: int = option(0, "epochs of the autoencoder")
    epochs: int = option(0, "epochs of the phase after it")
    guide_epochs: int = option(0, "epochs in which a cross-entropy holds each row to the start")
    regroups: int = option(0, "how often a start on the code is recomputed during these epochs")
    self_train_epochs: int = option(0, "epochs of a classifier that sharpens the last of these")
    validation_rows: int = option(0, "rows without a gradient")
    pretrain_interval: int = option(1, "epochs of the autoencoder between two records and validations", least=1)
    interval: int = option(1, "epochs of the phase after it between two records and validations", least=1)
    patience: int = option(
        0, "epochs with no or next to no lower validation loss after which the autoencoder stops; 0: never"
    )
    decay: float = option(0.9, "factor of the step schedule")
    decay_epochs: int = option(10, "epochs of a step of the step schedule", least=1)
    adam_epsilon: float = option(1e-7, "Adam's epsilon; Keras' default")
    restart: int = option(0, "number of the start on this seed's autoencoder")

    def resolve(
        self,
        n: int,
        features: int = NARROW,
        phases: Phases = VADE_PHASES,
        *,
        sharpens: bool = False,
        convolves: bool = False,
        learns_variance: bool = True,
    ) -> "Resolved":
        """Themselves; InputError where the rows are too few."""
        self._check_number(self.clusters, self.validation_rows, n)
        return self

    @property
    def start_seed(self) -> int:
        """Seed of the starts and of the order of the rows in the VaDE phase."""
        return self.seed if self.restart == 0 else fold(self.seed, self.restart)


def _interval(block: int, epochs: int) -> int:
    """Epochs between two records: a block, or fewer where `epochs` would be less than `MIN_BLOCKS` of them."""
    return min(block, max(1, epochs // MIN_BLOCKS))


def _widths(n: int, features: int) -> tuple[int, ...]:
    """Widths of the hidden layers for n rows: 3.3 million weights would learn a few hundred rows by heart."""
    if features < NARROW:
        return 128, 128
    share = min(1.0, max(0.1, n / FULL_WIDTH_ROWS))
    return tuple(round(share * width) for width in HIDDEN)


def _checked(name: str, value, hint, metadata) -> Any:
    """A value of text, a number or a sequence in the type of its field; an InputError where it cannot be one."""
    kinds = [hint] if typing.get_origin(hint) is tuple else typing.get_args(hint) or [hint]
    kind, least, choices, words = kinds[0], metadata.get("least"), metadata.get("choices"), metadata.get("words", ())
    text, truth = isinstance(value, str), isinstance(value, bool | np.bool_)
    if (value is None and type(None) in kinds) or (text and value in words):
        return value
    if typing.Any in kinds and not text:  # an object, which is checked where it is used
        return value
    found: Any = None
    try:
        if kind is int:
            expected = " or ".join([f"a whole number of at least {least or 0}", *words])
            found = operator.index(value)
            fits = not truth and (least or 0) <= found < 2**31  # TensorFlow's int32
        elif kind is float:
            expected = "a positive number" if least is None else f"a number of at least {least:g}"
            found = float(value)
            fits = not (text or truth) and found < math.inf and (found > 0 if least is None else found >= least)
        elif kind is bool:
            expected, found, fits = "True or False", bool(value), truth
        elif kind is str:
            expected = f"one of {', '.join(choices)}" if choices else "text that is not empty"
            found = os.fspath(value)
            fits = found in choices if choices else bool(found)
        else:  # whole numbers, or their text as in the example; none only where a word says so
            expected = f"whole numbers of at least 1, as in {metadata['example']}"
            parts = [int(part) for part in value.split(",") if value != metadata.get("empty")] if text else list(value)
            found = tuple(operator.index(part) for part in parts)
            fits = all(1 <= part < 2**31 for part in found) and not any(isinstance(part, bool) for part in parts)
            fits = fits and bool(found or "empty" in metadata)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(name, expected, reprlib.repr(value))
    return found
