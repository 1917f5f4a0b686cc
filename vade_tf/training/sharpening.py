"""When self-training sharpens a partition of images, and what that changes in the training around it.

This module decides; `selftraining` has the classifier, `guidance` calls it. By default it runs on many small grey
images alone: it was tried on MNIST, where it raises the accuracy (docs/evidence/accuracy.md). VaDE is then trained for
longer, and held to the sharpened partition with more weight. No TensorFlow here: `settings` reads it.
"""

from typing import TYPE_CHECKING

from vade_tf.errors import InputError

if TYPE_CHECKING:
    from vade_tf.training.settings import Resolved, Settings

# A block is so many epochs as `settings` says.
MIN_ROWS = 50_000  # fewer images are sharpened only where `self_train_epochs` is set
MAX_SIDE = 32  # pixels
BLOCKS = 20  # of the classifier, after `BLOCKS_TAUGHT`
BLOCKS_TAUGHT = 2  # in which the classifier learns the partition as it is, before it follows its own answers
VADE_BLOCKS = 20  # of VaDE, in place of `settings.BLOCKS`
REGROUPS = 1
WEIGHT_FACTOR = 5.0  # of the weight of a P that a classifier sharpened; by a script, on MNIST


def suits(image_shape: tuple[int, ...] | None) -> bool:
    """Whether rows of this shape are sharpened by default: small grey images; None: rows are not read as images."""
    return image_shape is not None and image_shape[2:] in ((), (1,)) and max(image_shape[:2]) <= MAX_SIDE


def runs(settings: "Settings", n: int, suitable: bool) -> bool:
    """Whether self-training runs in a fit to n rows, which `suits` calls suitable or not."""
    if settings.self_train_epochs is not None:
        return settings.self_train_epochs > 0
    if not suitable or n < MIN_ROWS:
        return False
    if settings.augment != "digits" or settings.distribute != "none" or settings.guide_weight == 0:
        return False
    return settings.epochs is None and settings.guide_epochs is None and settings.regroups is None


def check(settings: "Resolved", images: bool) -> None:
    """Raises InputError where self-training is asked for and cannot run: on rows that are no images, or as set."""
    if settings.self_train_epochs == 0:
        return
    augmented = images and settings.augment != "none"
    regrouped = settings.regroups > 0 and min(settings.guide_epochs, settings.epochs) > 1
    if not augmented or not regrouped or settings.distribute != "none":
        expected = "0 without augmented images, regroups, two guide_epochs and a single device"
        raise InputError("self_train_epochs", expected, str(settings.self_train_epochs))
