"""What the groups of a fit's rows are found on, the rows themselves or their code, and finding them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from vade_tf.data.sparse import Rows, part
from vade_tf.model.counts import Counts
from vade_tf.seeding import several, subset
from vade_tf.threads import one_openmp_thread
from vade_tf.training import distribute, extension, further, given, halves, parting, posterior, regions, table_starts
from vade_tf.training import start as starts
from vade_tf.training.consensus import alike, matched
from vade_tf.training.fitting import Fitting
from vade_tf.training.landmark_starts import DRAWS, FIRST
from vade_tf.training.settings import OWN_FEATURES
from vade_tf.training.views import (
    answers_alone,
    count_reader,
    direction_reader,
    feature_reader,
    profile_reader,
    view_reader,
    within_reach,
)

ANYTHING = 0.25  # mean ARI of draws, below which they have found nothing that is there
BLOCK = 16_384  # rows that get their groups together
OTHERS, FIRM = 0.7, 0.8  # mean ARI of draws below which they find other groups; of the first above which not
CLEAR = 0.02  # borders, as a share of what chance would part, of groups that lie apart whatever draws find


def read_by_start(fitting: Fitting) -> tuple[Rows, np.ndarray | None]:
    """The rows that a start reads, and their numbers; of few rows all of them and None."""
    x = fitting.data.rows
    numbers = extension.read_rows(len(x), fitting.settings.start_seed)
    return (x, None) if numbers is None else (part(x, numbers), numbers)


def kind(fitting: Fitting) -> str:
    """What the groups of the start are found on, one of `start.KINDS`; of "code" and "broad" they are recomputed later.

    "counts" and "table": the rows themselves, see `counted` and `is_table`. "broad": the code or the columns, see
    `start.of_either` and, of one length, `start.of_directions`, of rows of many columns, or of one length, that are
    neither images nor texts. "wide": the same where there are more features than rows, so that the networks soon know
    them by heart. "code": of all else.
    """
    if counted(fitting):
        return "counts"
    if is_table(fitting):
        return "table"
    data, (n, features) = fitting.data, fitting.data.x.shape
    if fitting.own_networks or not given.many_columns(data):
        return "code"
    if features > n:
        return "wide"
    compared = fitting.model.likelihood.compares_columns  # else, of counts, their depth would say most
    return "broad" if (data.standardise or data.of_one_length) and compared else "code"


def is_table(fitting: Fitting) -> bool:
    """Whether the start, which is "landmark", reads columns: not images, texts or the networks of the caller."""
    data = fitting.data
    plain = data.image_shape is None and data.standardise and fitting.model.likelihood.compares_columns
    few = data.x.shape[1] <= OWN_FEATURES
    return plain and few and not fitting.own_networks and fitting.settings.init == "landmark"


def counted(fitting: Fitting) -> bool:
    """Whether the start reads counts themselves: with the package's networks, and where it is "landmark"."""
    counts = isinstance(fitting.model.likelihood, Counts) and not fitting.own_networks
    return counts and fitting.settings.init == "landmark"


def found_groups(fitting: Fitting, phase: str) -> starts.Start:
    """Groups of the rows on the model's present code; of many rows found on some, see `extension`.

    The chief of several workers finds them. Where other rows get theirs through landmarks, each worker does it for its
    share of these, with landmarks of its own for the chief's groups; all are whole numbers of as few bytes as K needs.
    """
    n, (some, numbers) = len(fitting.data.x), read_by_start(fitting)
    if numbers is None:
        return starts.Start(
            **fitting.by_chief(lambda: vars(_start(fitting, phase, some, reader(fitting, phase, some)(some))))
        )
    read = reader(fitting, phase, some)
    views = read(some)
    found = starts.Start(**fitting.by_chief(lambda: vars(_start(fitting, phase, some, views))))
    with one_openmp_thread():  # sums over threads come in any order, as in `start`
        spread = extension.Extension(views, found.groups, fitting.settings.clusters, fitting.settings.start_seed)
    own = distribute.share(fitting.strategy, n)
    groups = np.empty(len(own), np.min_scalar_type(-fitting.settings.clusters))
    for first in range(own.start, own.stop, BLOCK):
        end = min(first + BLOCK, own.stop)
        rows = part(fitting.data.rows, slice(first, end))  # sparse ones stay sparse
        groups[first - own.start : end - own.start] = spread.groups(read(rows))
    whole = distribute.joined(fitting.strategy, groups, own, n)
    whole[numbers] = found.groups
    return replace(found, groups=whole)


def _start(fitting: Fitting, phase: str, rows: Rows, views: list[np.ndarray]) -> starts.Start:
    """The start on raw rows [n, D] whose views were read."""
    settings, of, z = fitting.settings, found_on(fitting, phase), code(fitting, phase, rows, views)
    advance = fitting.reporter.phase(phase, starts.parts(settings.init, of, len(views)))

    def tell() -> None:
        advance(1, f"{settings.init}, {settings.clusters} groups")

    more = partial(further.draws, fitting) if further.wanted(fitting, phase) else None
    k, seed = settings.clusters, settings.start_seed
    shown = partial(halves.shown, rows, n_clusters=k, seed=seed)
    return starts.start(z, k, settings.init, seed, views, tell, of, more, shown)


def asks_halves(fitting: Fitting) -> bool:
    """Whether the start asks halves of the columns what they show of one another, however surely draws agree."""
    return fitting.settings.init == "landmark" and found_on(fitting, "init") in starts.COLUMNS


def shown_by_halves(
    fitting: Fitting, rows: Rows, tried: Sequence[int], pool: np.ndarray, found: np.ndarray
) -> list[np.ndarray | None]:
    """`halves.places` of raw rows [n, D], by their numbers `pool`, of which starts have found groups."""
    return halves.places(part(rows, pool), found, tried, fitting.settings.start_seed)


def doubts(fitting: Fitting, groups: np.ndarray) -> list[str]:
    """What speaks against the groups of the start, int [n], of a table or of many columns: a sentence or none.

    Where the draws find other regions each time, the rows have none, or not so many: their mean ARI is 0.04 to 0.7 on
    noise, and 0.8 or more on tables whose groups were found. But draws have too few landmarks in small groups beside a
    large one, which k-means then finds: such groups have next to no borders. Or one draw found them, see
    `table_starts.of_draws`: then they have far fewer borders than those of k-means. Of many columns draws differ where
    each tells a little, too; but then halves show something of one another, or groups stand out beside clouds. At most
    `parting.ASKED` rows are asked.
    """
    if fitting.settings.clusters == 1 or fitting.settings.init != "landmark":
        return []
    with fitting.timed(), one_openmp_thread():
        agreed = _agreed(fitting, groups) if is_table(fitting) else _agreed_on_nothing(fitting, groups)
    if agreed is None or agreed >= OTHERS:
        return []
    return [
        f"the start finds other groups from draw to draw (mean ARI {agreed:.2f} of 1), so the rows may have none, or "
        "not so many; compare the clusters of several seeds, or of other numbers of clusters"
    ]


def _agreed(fitting: Fitting, groups: np.ndarray) -> float | None:
    """Mean ARI of draws on a table, where they agree most; None where groups of the start, int [n], lie apart."""
    rows, numbers = read_by_start(fitting)
    clusters, seed = fitting.settings.clusters, fitting.settings.start_seed
    if regions.is_beyond(clusters, len(rows)):
        return None
    found = groups if numbers is None else groups[numbers]
    some = subset(len(found), parting.ASKED, seed)
    asked, most = np.arange(len(some)), 0.0
    for own in (view[some] for view in reader(fitting, "init", rows)(rows)):
        near = parting.nearest(own, asked)
        means = regions.kmeans(own, clusters, seed)
        borders = parting.beyond_chance(near, asked, found[some])
        if borders <= max(CLEAR, table_starts.CLEAR * parting.beyond_chance(near, asked, means)):
            return None
        for place in parting.places(own):
            most = max(most, _alike(place, clusters, seed))
            if most >= OTHERS:
                return most
    return most


def _agreed_on_nothing(fitting: Fitting, groups: np.ndarray) -> float | None:
    """Mean ARI of draws in many columns whose halves show nothing of one another; None of all other rows.

    Nor where groups of the start, int [n], part clearly fewer neighbours there than clouds without groups would.
    """
    rows, numbers = read_by_start(fitting)
    clusters, seed = fitting.settings.clusters, fitting.settings.start_seed
    if fitting.data.texts or kind(fitting) not in starts.COLUMNS or regions.is_beyond(clusters, len(rows)):
        return None
    if not halves.show_nothing(rows, clusters, seed):
        return None
    asked = subset(len(rows), parting.ASKED, seed)
    some, found = part(rows, asked), groups if numbers is None else groups[numbers]
    columns = direction_reader(fitting.model, some, shares_unit(fitting, some))(some)
    if parting.beside_clouds(np.ascontiguousarray(columns, np.float32), found[asked]) < parting.FEWER:
        return None
    return _alike(columns, clusters, seed)


def _alike(place: np.ndarray, clusters: int, seed: int) -> float:
    """Mean ARI of draws of landmarks in rows [n, d]; of the first alone, where these agree."""
    seeds = several(seed, DRAWS)
    draws = regions.landmark_draws([place], clusters, seeds[:FIRST])
    if alike(draws) < FIRM:
        draws += regions.landmark_draws([place], clusters, seeds[FIRST:])
    return alike(draws)


def regrouped(fitting: Fitting) -> np.ndarray:
    """Recomputed groups on the present code, named as the model's components: int [n]."""
    found, (some, numbers) = found_groups(fitting, "regroup").groups, read_by_start(fitting)
    present = fitting.by_chief(lambda: {"groups": posterior.model_groups(fitting.model, some)})["groups"]
    return matched(found, present, slice(None) if numbers is None else numbers)


def accepted(fitting: Fitting, groups: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Recomputed groups, int [n], or those held before, where rows of many columns show them clearly less.

    The code may never have had groups that the start has found in the columns; held to them, it is not yet theirs.
    """
    if kind(fitting) not in starts.COLUMNS:
        return groups
    k, seed = fitting.settings.clusters, fitting.settings.start_seed
    asked = subset(len(groups), parting.ASKED, seed)

    def compare() -> dict[str, np.ndarray]:
        some, both = part(fitting.data.rows, asked), (groups[asked], before[asked])
        columns = direction_reader(fitting.model, some, shares_unit(fitting, some))(some)
        return {"worse": np.array(parting.is_worse(columns, *both) or halves.is_worse(some, *both, k, seed))}

    return before if fitting.by_chief(compare)["worse"] else groups


def shares_unit(fitting: Fitting, x: Rows) -> bool:
    """Whether the columns of raw rows [n, D], more than a table has, are compared in a unit that they share.

    Answers of yes and no alone do where draws of landmarks agree more then, and have found anything. With variance 1
    for each, what few rows have weighs most: that parts baskets most of which hold the same, and hides the groups of
    molecules, whose rare bits are those of one or two of them.
    """
    model, clusters, seed = fitting.model, fitting.settings.clusters, fitting.settings.start_seed
    if fitting.data.of_one_length or regions.is_beyond(clusters, len(x)) or not answers_alone(model, x):
        return fitting.data.of_one_length
    places = [direction_reader(model, x, shared)(x) for shared in (False, True)]
    seeds = several(seed, DRAWS)
    each, shared = (alike(regions.landmark_draws([place], clusters, seeds)) for place in places)
    return shared > max(each, ANYTHING)


def reader(fitting: Fitting, phase: str, x: Rows) -> Callable[[Rows], list[np.ndarray]]:
    """What a start reads: function of raw rows to the views in which "landmark" compares them.

    The views are the code and the layer before it. The start of a table is an exception: few columns are read as they
    are, for the code of an autoencoder has no better neighbours than these, and another code each time. So is that of
    counts, by the same reason: it reads them in their principal directions.

    Args:
        fitting, phase: which start it is.
        x: raw rows that say how others are read, see `views`.
    """
    model = fitting.model
    if fitting.settings.init != "landmark":
        return lambda rows: [within_reach(posterior.codes(model, rows))]
    of = found_on(fitting, phase)
    if of == "table":
        own = feature_reader(model, x)
        profiles = profile_reader(model, x, own)
        return lambda rows: [own(rows)] if profiles is None else [own(rows), profiles(rows)]
    if of == "counts":
        return count_reader(model, x)
    both = view_reader(model, x)
    units = (False, True) if of == "directions" else (shares_unit(fitting, x),) if of in starts.COLUMNS else ()
    columns = [direction_reader(model, x, one_unit) for one_unit in units]
    return lambda rows: [*(view for view in both(rows) if view is not None), *(read(rows) for read in columns)]


def code(fitting: Fitting, phase: str, rows: Rows, views: list[np.ndarray]) -> np.ndarray:
    """The code of raw rows [n, D] whose views were read, [n, latent]: the first of these, where it is one."""
    themselves = fitting.settings.init == "landmark" and found_on(fitting, phase) in ("table", "counts")
    return within_reach(posterior.codes(fitting.model, rows)) if themselves else views[0]


def found_on(fitting: Fitting, phase: str) -> str:
    """What the groups of a phase are found on, one of `start.KINDS`; further autoencoders vote on those of "texts"."""
    of = kind(fitting) if phase == "init" else "code"
    if of in starts.COLUMNS and fitting.data.of_one_length:
        return "directions"
    if of in ("table", "counts") or not fitting.data.texts:
        return of
    return "texts" if further.wanted(fitting, phase) else "code"
