"""What the groups of a fit's rows are found on, the rows themselves or their code, and finding them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows, part
from vade_tf.model.counts import Counts
from vade_tf.seeding import fold
from vade_tf.training import extension, loop
from vade_tf.training import start as starts
from vade_tf.training.loop import Fitting
from vade_tf.training.settings import Resolved
from vade_tf.training.views import OWN_FEATURES, direction_reader, feature_reader, view_reader, within_reach

BLOCK = 16_384  # rows that get their groups together


def start_seed(settings: Resolved) -> int:
    """Seed of the starts and of the order of the rows in the VaDE phase."""
    return settings.seed if settings.restart == 0 else fold(settings.seed, settings.restart)


def read_by_start(fitting: Fitting) -> tuple[Rows, np.ndarray | None]:
    """The rows that a start reads, and their numbers; of few rows all of them and None."""
    x = fitting.data.x
    numbers = extension.read_rows(len(x), start_seed(fitting.settings))
    return (x, None) if numbers is None else (part(x, numbers), numbers)


def is_table(fitting: Fitting) -> bool:
    """Whether rows are what their columns say one by one, and not images, texts or the caller's networks' business."""
    data = fitting.data
    plain = data.image_shape is None and data.standardise and fitting.model.likelihood.compares_columns
    return plain and data.x.shape[1] <= OWN_FEATURES and not fitting.own_networks


def are_counts(fitting: Fitting) -> bool:
    """Whether the start reads counts themselves: with the package's networks, and by the graph."""
    counted = isinstance(fitting.model.likelihood, Counts) and not fitting.own_networks
    return counted and fitting.settings.init == "landmark"


def is_wide(fitting: Fitting) -> bool:
    """Whether there are more features than rows, which are no images, so that the networks soon know them by heart."""
    n, features = fitting.data.x.shape
    return features > max(n, OWN_FEATURES) and fitting.data.image_shape is None and not fitting.own_networks


def found_groups(fitting: Fitting, phase: str) -> starts.Start:
    """Groups of the rows on the model's present code; of many rows found on some, see `extension`."""
    settings = fitting.settings
    advance = fitting.reporter.phase(phase, starts.DRAWS if settings.init == "landmark" else 1)
    some, numbers = read_by_start(fitting)
    read = reader(fitting, phase, some)
    z, views, own = read(some)

    def tell() -> None:
        advance(1, f"{settings.init}, {settings.clusters} groups")

    found = starts.start(z, settings.clusters, settings.init, start_seed(settings), views, tell, own, is_wide(fitting))
    if numbers is None:
        return found

    def spaces(code, views, own) -> list[np.ndarray]:
        return [own] if own is not None else [code] if views is None else views

    spread = extension.Extension(spaces(z, views, own), found.groups, settings.clusters, start_seed(settings))
    groups = np.concatenate([spread.groups(spaces(*read(block))) for block in pipeline.blocks(fitting.data.x, BLOCK)])
    groups[numbers] = found.groups
    return replace(found, groups=groups)


def regrouped(fitting: Fitting) -> np.ndarray:
    """Groups found anew on the present code, named as the model's components: int32 [n]."""
    found, (some, numbers) = found_groups(fitting, "regroup").groups, read_by_start(fitting)
    return starts.matched(found, loop.model_groups(fitting.model, some), slice(None) if numbers is None else numbers)


def reader(fitting: Fitting, phase: str, x: Rows) -> Callable:
    """What a start reads: the code [n, latent], the views where neighbours are looked for, and the rows of a table.

    The views are the code and the layer before it. The start of a table is an exception: few columns are read as they
    are, for the code of an autoencoder has no better neighbours than these, and another code each time. So is that of
    counts, by the same reason: it reads them in their principal directions.

    Args:
        fitting, phase: which start it is.
        x: raw rows that say how others are read, see `views`.

    Returns:
        Function of raw rows to the three, None where they do not count.
    """
    model = fitting.model

    def code(rows: Rows) -> np.ndarray:
        return within_reach(loop.codes(model, rows))

    if fitting.settings.init != "landmark":
        return lambda rows: (code(rows), None, None)
    if phase == "init" and is_table(fitting):
        own = feature_reader(model, x)
        return lambda rows: (code(rows), None, own(rows))
    if phase == "init" and are_counts(fitting):
        directions = direction_reader(model, x)
        return lambda rows: (code(rows), [directions(rows)], None)
    both = view_reader(model, x)

    def read(rows: Rows):
        z, hidden = both(rows)
        return z, [z] if hidden is None else [z, hidden], None

    return read
