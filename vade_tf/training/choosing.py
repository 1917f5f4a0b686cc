"""How many clusters: which numbers of groups are found again on other rows. No labels, no model, no file.

Strength (after Tibshirani & Walther, 2005, "Cluster validation by prediction strength") asks whether the groups are
found again by starts on other rows. Up to the number of groups that are there, they are; beyond it one is cut, each
time elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.errors import InputError
from vade_tf.seeding import fold, generator, several
from vade_tf.threads import in_threads, one_openmp_thread
from vade_tf.training import consensus, parting, regions, table_starts
from vade_tf.training import start as starting
from vade_tf.training.store import Store, damaged, kept

STRONG = 0.8  # least strength of groups that count as found again: the value of Tibshirani & Walther
STARTS = 6  # starts compared in pairs
START_ROWS = 5000  # rows of a start at most, 80 % of those it is drawn from: two starts share 80 % of theirs
MOST = 20  # clusters that are tried where the number is chosen, and ...
EACH = 5  # ... so many rows for each of them at least
DRAWS = 3  # of "landmark", of which each is cut into every number of groups
RUNS = 2  # of k-means on a draw
ASKED = 1000  # rows that say which of two groupings describes them
CLOSE = 0.02  # mean ARI that is as good as the highest
CLOUDS, SPARSE = 2, 0.6  # clouds without groups, and the share of the neighbours parted there that groups part at most

Places = Callable[[np.ndarray, np.ndarray], list[np.ndarray | None]]


@dataclass(frozen=True)
class Choice:
    """A number of clusters and what speaks for it.

    Attributes:
        n_clusters: K.
        sure: "sure", "fairly sure" or "not sure".
        why: a sentence.
        tried: the numbers of clusters that were compared, ascending.
        stability, strength: of each, see `pairwise`.
    """

    n_clusters: int
    sure: str
    why: str
    tried: list[int]
    stability: list[float]
    strength: list[float]


def strength(groups: np.ndarray, again: np.ndarray) -> float:
    """Of the group that fares worst: the share of its pairs of rows that another grouping keeps together, in [0, 1].

    A group of one row fares as one that is torn apart. Else each outlier would be a group that cannot be lost, and the
    largest K would be that with an outlier for each further group.

    Args:
        groups, again: two groupings of the same rows, integers from 0, [n].
    """
    counts = np.zeros((groups.max() + 1, again.max() + 1))
    np.add.at(counts, (groups, again), 1)
    counts = counts[counts.any(axis=1)]
    sizes = counts.sum(axis=1)
    pairs = np.maximum(sizes * (sizes - 1), 1)  # a row alone has none, so nothing says that its group is found again: 0
    return float(np.min((counts * (counts - 1)).sum(axis=1) / pairs))


def stability(z: np.ndarray, n_clusters: int, method: str, seed: int) -> tuple[float, float]:
    """Whether starts on other rows, with other seeds, find the same groups.

    Args:
        z: codes, [n, latent].
        n_clusters: K.
        method: of the start, one of `start.METHODS`.
        seed: of the rows and of the starts.

    Returns:
        As for `pairwise`.
    """
    pool, parts = resampled(len(z), n_clusters, seed)
    z = z[pool]
    starts = np.full((STARTS, len(pool)), -1)  # -1: not read
    for number, rows in enumerate(parts):
        starts[number, rows] = starting.start(z[rows], n_clusters, method, fold(seed, number)).groups
    return pairwise(starts, n_clusters)


def resampled(n: int, n_clusters: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The rows that the starts read: the numbers of a pool of n rows, and for each start its places in the pool."""
    r = generator(seed)
    pool = r.permutation(n)[: round(START_ROWS / 0.8)]
    size = max(round(0.8 * len(pool)), min(n_clusters, len(pool)))
    return pool, [np.sort(r.choice(len(pool), size, replace=False)) for _ in range(STARTS)]


def pairwise(starts: np.ndarray, n_clusters: int) -> tuple[float, float]:
    """How far starts have found the same groups.

    Args:
        starts: the group of each row in each start, -1 where it has not read the row, int [starts, n].
        n_clusters: K.

    Returns:
        Over the pairs of starts, on the rows that both have read: mean adjusted Rand index, and median `strength`, of
        the two ways round the lower; 0 where a start left one of the K groups empty.
    """
    pairs = []
    for i in range(len(starts)):
        for j in range(i):
            both = (starts[i] >= 0) & (starts[j] >= 0)
            one, other = starts[i][both], starts[j][both]
            pairs.append((adjusted_rand_score(one, other), min(strength(one, other), strength(other, one))))
    whole = all(len(np.unique(one[one >= 0])) == n_clusters for one in starts)
    ari, least = np.mean([ari for ari, _ in pairs]), np.median([least for _, least in pairs])
    return float(ari), float(least) if whole else 0.0


def numbers_tried(n: int) -> range:
    """The numbers of clusters that are compared for n rows.

    Raises:
        InputError: so few rows have no groups.
    """
    if n < 2 * EACH:
        raise InputError(f"clusters: 'auto' needs at least {2 * EACH} rows, got {n}; give a number")
    return range(2, min(MOST, n // EACH) + 1)


def compared(
    z: np.ndarray,
    tried: Sequence[int],
    method: str,
    seed: int,
    views: Sequence[np.ndarray] | None = None,
    kind: str = "code",
    tell: Callable[[], None] = lambda: None,
    places: Places | None = None,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray | None]]:
    """`stability` of each of several numbers of clusters, all of them found on one graph for each draw of "landmark".

    Where halves of the columns show groups more clearly, these are compared, as a start takes them.

    Args:
        z, method, seed, views, kind: as for `start.start`; of counts the graph in the last view is asked.
        tried: the K.
        tell: called STARTS times.
        places: gives, for a pool of rows and starts on parts of it, where halves of the columns show groups more
            clearly than these, see `halves.places`.

    Returns:
        Mean ARI and strength of each K, [K tried] each, see `pairwise`; and for each the rows where halves show its
        groups, or None.
    """
    pool, parts = resampled(len(z), max(tried), seed)
    read = [np.asarray(view, np.float32)[pool] for view in _read(z, method, views, kind)]

    def groups(number: int) -> list[np.ndarray]:
        """The groups that one start finds, for each K."""
        seen, own_seed = [view[parts[number]] for view in read], fold(seed, number)
        if method != "landmark":
            return [starting.start(seen[0], k, method, own_seed).groups for k in tried]
        if kind == "table":
            found = [of_table(view, own_seed) for view in seen]
            if len(seen) == 1:
                return found[0]
            asked = parting.looked_up(seen, own_seed, ASKED)  # one view for all K, by the K that shows most in each
            return found[parting.clearly_fewer([min(parting.in_all(each, *asked) for each in of) for of in found])]
        if kind not in starting.COLUMNS:
            return [consensus.vote(drawn, k) for k, drawn in zip(tried, cuts(seen, own_seed), strict=True)]
        *coded, columns = seen
        chosen = []
        for k, drawn, others in zip(tried, cuts(coded, own_seed), cuts([columns], own_seed), strict=True):
            two = consensus.vote(drawn, k), table_starts.of_draws(columns, [others], k, own_seed, ASKED)
            chosen.append(parting.clearer(coded, columns, *two, own_seed, ASKED))
        return chosen

    def of_table(view: np.ndarray, own_seed: int) -> list[np.ndarray]:
        """For each K the groups in one view of a table."""
        each = zip(*(cuts([place], own_seed) for place in parting.places(view)), strict=True)
        return [table_starts.of_draws(view, drawn, k, own_seed, ASKED) for k, drawn in zip(tried, each, strict=True)]

    def cuts(seen: Sequence[np.ndarray], own_seed: int) -> Iterator[list[np.ndarray]]:
        """For each K the groups of each draw."""
        draws = [regions.landmark_cuts(seen, tried, each, n_init=RUNS) for each in several(own_seed, DRAWS)]
        return map(list, zip(*draws, strict=True))

    starts = np.full((len(tried), STARTS, len(pool)), -1)
    for number, found in enumerate(in_threads(groups, range(STARTS), tell)):
        starts[:, number, parts[number]] = found
    where: list[np.ndarray | None] = [None] * len(tried) if places is None else places(pool, starts)
    for of_k, k, place in zip(starts, tried, where, strict=True):
        if place is not None:
            with one_openmp_thread():
                for number, rows in enumerate(parts):
                    of_k[number, rows] = regions.kmeans(place[rows], k, fold(seed, number))
    ari, strong = np.array([pairwise(of_k, k) for k, of_k in zip(tried, starts, strict=True)]).T
    return ari, strong, where


def _read(z: np.ndarray, method: str, views: Sequence[np.ndarray] | None, kind: str) -> Sequence[np.ndarray]:
    """The views that are asked."""
    if views is None or method != "landmark":
        return [z]
    return views[-1:] if kind == "counts" else views


def borders(
    z: np.ndarray,
    n_clusters: int,
    method: str,
    seed: int,
    views: Sequence[np.ndarray] | None,
    kind: str,
    where: np.ndarray | None = None,
) -> np.ndarray:
    """How many neighbours the groups of rows part, and how many those of clouds that have no groups.

    A long cloud is halved at the same place each time, and a flat one quartered: its groups are found again, too. But
    its borders run where the rows are dense. So the rows are compared with clouds drawn from one Gaussian with their
    mean and covariance, which are grouped in the same way (a reference as in Tibshirani, Walther & Hastie, 2001).

    Args:
        z, method, seed, views, kind: as for `compared`.
        n_clusters: K.
        where: the rows where halves of the columns show its groups, if they do, see `compared`.

    Returns:
        Share of the nearest neighbours that are in another group than the row: of the rows; mean of `CLOUDS`. [2]
    """
    if where is not None:
        return np.array(_borders(where, "code", n_clusters, "kmeans", seed))
    read = _read(z, method, views, kind)
    places = [(read[0], "table" if kind == "table" else "code")]
    answers = kind == "table" and len(read) > 1
    if answers or kind in (*starting.COLUMNS, "directions"):  # found in either place: in that which shows them more
        places.append((read[-1], "table"))
    own, of_clouds = min((_borders(*place, n_clusters, method, seed) for place in places), key=lambda of: of[0] / of[1])
    return np.array([own, of_clouds])


def _borders(view: np.ndarray, kind: str, n_clusters: int, method: str, seed: int) -> tuple[float, float]:
    """`borders` in one view, [n, d]."""
    view = np.asarray(view, np.float32)
    rows = view[generator(seed).permutation(len(view))[:START_ROWS]]

    def parted(own: np.ndarray) -> float:
        groups = starting.start(own, n_clusters, method, seed, [own], kind=kind).groups
        asked = np.arange(len(own))
        return parting.parted(parting.nearest(own, asked), asked, groups)

    mean, covariance = rows.mean(axis=0), np.atleast_2d(np.cov(rows.T))
    clouds = [
        generator(seed, number).multivariate_normal(mean, covariance, len(rows), check_valid="ignore")
        for number in range(1, CLOUDS + 1)
    ]
    return parted(rows), max(float(np.mean([parted(cloud.astype(np.float32)) for cloud in clouds])), 1e-12)


def doubted(choice: Choice, borders: np.ndarray) -> Choice:
    """A choice that is "not sure" where its groups part nearly as many neighbours as those of clouds, see `borders`."""
    own, of_clouds = map(float, borders)
    if choice.sure == "not sure" or own <= SPARSE * of_clouds:
        return choice
    why = (
        f"its groups are found again on other rows, but so are those of a cloud without groups: their borders part "
        f"{100 * own:.1f} % of the nearest neighbours, those of such a cloud {100 * of_clouds:.1f} %"
    )
    return replace(choice, sure="not sure", why=why)


def chosen(tried: Sequence[int], stability: np.ndarray, strength: np.ndarray) -> Choice:
    """The largest K whose groups are all found again; where there is none, that with the highest mean ARI.

    It is sure if no other K has a mean ARI that is higher by more than CLOSE, and larger ones were tried.

    Args:
        tried: the K, ascending.
        stability, strength: of each, as `compared` returned them.
    """
    strong = [i for i, found in enumerate(strength) if found >= STRONG]
    best = strong[-1] if strong else int(np.argmax(stability))
    if not strong:
        sure = "not sure"
        why = f"no K from {tried[0]} to {tried[-1]} gives groups that are all found again on other rows"
    else:
        sure, why = "sure", "the largest K whose groups are all found again on other rows"
        steadier = int(np.argmax(stability))
        if stability[steadier] > stability[best] + CLOSE:
            sure, why = "fairly sure", f"{why}; those of {tried[steadier]} are found again more exactly"
        if best == len(tried) - 1:
            sure, why = "fairly sure", f"{why}; it is the largest that was tried"
    figures = list(map(int, tried)), [round(float(s), 4) for s in stability], [round(float(s), 4) for s in strength]
    shown = np.floor(100 * strength[best] + 1e-9) / 100  # 0.797 is not 0.80
    return Choice(tried[best], sure, f"{why} (strength {shown:.2f}, of at least {STRONG})", *figures)


def kept_choice(store: Store, n: int) -> Choice | None:
    """The choice for n rows that a store has, or None.

    Raises:
        InputError: what it has is no choice.
    """
    tried = list(numbers_tried(n))
    shape: tuple[int, ...] = (len(tried),)
    figures = {"stability": ("f", shape), "strength": ("f", shape)}
    if "borders" in (store.load("clusters") or {}):  # which runs of older versions have not
        figures["borders"] = ("f", (2,))
    arrays = kept(store, "clusters", {"tried": ("i", shape), **figures})
    if arrays is None:
        return None
    if arrays["tried"].tolist() != tried:
        raise damaged(store, "clusters", f"expected the numbers from {tried[0]} to {tried[-1]}")
    found = chosen(tried, arrays["stability"], arrays["strength"])
    return doubted(found, arrays["borders"]) if "borders" in arrays else found
