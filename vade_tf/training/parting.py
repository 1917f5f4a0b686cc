"""How clear groups of rows are: the neighbours that their borders part, beside what chance would. No labels.

Every grouping is judged by the nearest neighbours of some rows that are in another group than the row. One large group
beside small ones has few of these whatever it joins; so where sizes differ, the share is divided by that of random
groups of the same sizes.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import generator, subset
from vade_tf.training import regions

NEIGHBOURS, ASKED = 10, 5000  # of so many rows at most
FEW = 10  # different values of a column, at most, where the gaps between them may say nothing of the rows
SAME = 0.05  # share of the rows with one value of a column, from which on it lies apart as well
FOLLOWED, MOSTLY = 3, 0.5  # columns that groups may follow, and the share of the variance that then lies between them
CLEAR = 1 / 3  # of the borders of groups that follow a column, below which the others have groups of their own
UNCLEAR = 0.5  # of the borders that a cloud without groups has: a code with fewer shows groups of its own
FEWER = 0.8  # of the neighbours that groups part: others that part less have found what these have not


def nearest(rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The nearest neighbours among rows [n, d] of some of them, by their numbers [m]: int [m, `NEIGHBOURS` at most]."""
    near = min(NEIGHBOURS + 1, len(rows))
    return NearestNeighbors(n_neighbors=near).fit(rows).kneighbors(rows[asked], return_distance=False)[:, 1:]


def parted(near: np.ndarray, asked: np.ndarray, groups: np.ndarray) -> float:
    """Share of the `nearest` neighbours of some rows, by their numbers, that are in another group than the row."""
    return float(np.mean(groups[near] != groups[asked, None])) if near.size else 0.0


def mixed(groups: np.ndarray) -> float:
    """Share of the pairs of rows that are in different groups [n], a row beside itself included."""
    return 1.0 - float(np.sum((np.bincount(groups) / len(groups)) ** 2))


def beyond_chance(near: np.ndarray, asked: np.ndarray, groups: np.ndarray) -> float:
    """`parted`, divided by what groups of the sizes that the asked rows have part at random; of one group infinite."""
    chance = mixed(groups[asked])
    return parted(near, asked, groups) / chance if chance else np.inf


def are_many(rows: np.ndarray) -> np.ndarray:
    """Which columns of rows [n, D] have more than a `FEW` values, as categories and answers have not: bool [D]."""
    return np.array([len(np.unique(column)) > FEW for column in rows.T])


def places(rows: np.ndarray) -> list[np.ndarray]:
    """Where regions of a table's rows [n, D] are sought: among its numbers, if it has other columns, too; in all.

    Not among numbers of which many rows have the same, as where missing cells have the mean: it has gaps around, too.
    """
    many = are_many(rows)
    return [rows[:, many], rows] if 0 < many.sum() < len(many) and not repeat(rows[:, many]).any() else [rows]


def repeat(rows: np.ndarray) -> np.ndarray:
    """Which columns of rows [n, D] have one value in more than `SAME` of them: bool [D]."""
    return np.array([np.unique(column, return_counts=True)[1].max() > SAME * len(rows) for column in rows.T])


def are_of_gaps(rows: np.ndarray, groups: np.ndarray, means: np.ndarray) -> bool:
    """Whether groups of a table's rows [n, D] follow one of its columns with gaps, and those of k-means do not.

    Such a column has few values, or one value in many rows, as an amount that most do not have. Then the groups have
    clearly more borders than those of k-means among the others alone. So have groups of categories beside numbers that
    say nothing, but these each half of the categories shows.
    """
    few = np.flatnonzero(~are_many(rows) | repeat(rows))
    if not 0 < len(few) < rows.shape[1]:
        return False
    left_out = few, *(np.array_split(few, 2) if len(few) > 1 else [])
    alone, *halved = (is_worse(np.delete(rows, columns, axis=1), groups, means) for columns in left_out)
    return alone and (not halved or any(halved))


def beside_one(rows: np.ndarray, groups: np.ndarray) -> np.ndarray | None:
    """Where groups of a table's rows [n, D] follow one column, the others if they have clearer groups of their own.

    Such a column was measured in two units, or by two devices: the graph falls apart along it. It is left out with
    those that go with it. K-means among the others has far fewer borders than the groups then, and fewer than in a
    cloud without groups; columns of few values are not asked, as there are gaps between these as well. Of several such
    columns that one is left out without which these borders are the fewest.

    Returns:
        Which columns are the others, bool [D]; or None.
    """
    between, many, k = _shares_between(rows, groups), are_many(rows), int(groups.max()) + 1
    fewest, best, asked = np.inf, None, np.arange(len(rows))
    for column in np.argsort(-between)[:FOLLOWED]:
        others = _shared(rows, rows[:, column]) < MOSTLY
        if between[column] < MOSTLY or (others & many).sum() < max(2, many.sum() / 2):
            continue
        alone = np.ascontiguousarray(rows[:, others & many], np.float32)
        near = nearest(alone, asked)
        borders = beyond_chance(near, asked, regions.kmeans(alone, k, 0))
        if borders >= min(fewest, CLEAR * beyond_chance(near, asked, groups)):
            continue
        if borders < FEWER * _of_k_means(_cloud(alone), k):
            fewest, best = borders, others
    return best


def _shares_between(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Share of each column's variance that lies between the means of groups [n]: [D], the correlation ratio."""
    sizes = np.bincount(groups)
    means = np.stack([np.bincount(groups, column) for column in rows.T]) / np.maximum(sizes, 1)  # [D, K]
    around = (means - rows.mean(axis=0)[:, None]) ** 2
    return around @ sizes / (len(rows) * np.maximum(rows.var(axis=0), 1e-12))


def _shared(rows: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Squared correlation of each column of rows [n, D] with one, [n]: [D]; 1 with itself."""
    rows, column = rows - rows.mean(axis=0), column - column.mean()
    return (column @ rows) ** 2 / np.maximum((rows**2).sum(axis=0) * (column @ column), 1e-12)


def _cloud(rows: np.ndarray) -> np.ndarray:
    """Rows [n, d] without groups: each column has its own values, in the order of Gaussian ones of their covariance."""
    ranks = _gaussian(rows).argsort(axis=0).argsort(axis=0)
    return np.take_along_axis(np.sort(rows, axis=0), ranks, axis=0)


def _gaussian(rows: np.ndarray) -> np.ndarray:
    """As many Gaussian rows of the covariance of rows [n, d], around 0."""
    n, width = rows.shape
    return generator(0).multivariate_normal(np.zeros(width), np.atleast_2d(np.cov(rows.T)), n)


def _of_k_means(rows: np.ndarray, n_clusters: int) -> float:
    """Borders beyond chance of k-means in rows [n, d]."""
    asked = np.arange(len(rows))
    return beyond_chance(nearest(rows, asked), asked, regions.kmeans(rows, n_clusters, 0))


def joint(views: Sequence[np.ndarray], some: np.ndarray) -> np.ndarray:
    """Some rows, by their numbers, of views [n, d] side by side, each of which weighs as much: float32 [m, all d]."""
    parts = [np.asarray(view[some], np.float64) for view in views]
    return np.hstack([part / max(np.sqrt(part.var(axis=0).sum()), 1e-12) for part in parts]).astype(np.float32)


def are_no_regions(views: Sequence[np.ndarray], groups: np.ndarray, n_clusters: int, seed: int) -> bool:
    """Whether groups [n] part clearly more rows from their neighbours than those of k-means on the first view.

    Neighbours are those in all views, [n, d], each of which weighs as much; of `ASKED` rows at most, on which k-means
    is run as well.
    """
    some = subset(len(groups), ASKED, seed)
    rows, asked = joint(views, some), np.arange(len(some))
    means = regions.kmeans(np.ascontiguousarray(views[0][some], np.float32), n_clusters, seed)
    near = nearest(rows, asked)
    return FEWER * parted(near, asked, groups[some]) > parted(near, asked, means)


def clearer(
    coded: Sequence[np.ndarray],
    columns: np.ndarray,
    found: np.ndarray,
    others: np.ndarray,
    seed: int,
    most: int = ASKED,
) -> np.ndarray:
    """Of groups found on the code and others found in the columns, int [n] each, those that the other place shows more.

    Every grouping has few borders where it was found, of noise as well. So the first are judged in the columns, the
    others on the code, each by its borders as a share of what groups of these sizes part at random; at most so many
    rows are asked.
    """
    some = subset(len(found), most, seed)
    asked = np.arange(len(some))
    in_columns = beyond_chance(nearest(columns[some], asked), asked, found[some])
    in_code = beyond_chance(nearest(joint(coded, some), asked), asked, others[some])
    return others if in_code < in_columns else found


def stand_out(
    columns: Sequence[np.ndarray],
    groups: np.ndarray,
    coded: Sequence[np.ndarray],
    found: np.ndarray,
    seed: int,
) -> bool:
    """Whether groups found in the columns are clearer there than those found on the code are on it, where it shows few.

    Each has few borders where it was found, of noise as well. But k-means in a cloud that has no groups has hardly more
    than groups of noise, as the code of few rows may show. So each place is held against such clouds.

    Args:
        columns, coded: the rows in the spaces of each place, [n, d] each.
        groups, found: int [n] each.
        seed: of the rows that are asked, `ASKED` at most.

    Returns:
        Whether they are; not of one group, nor of more than a graph of these rows is cut into.
    """
    some = subset(len(groups), ASKED, seed)
    if regions.is_beyond(int(groups.max()) + 1, len(some)):
        return False
    on_code = beside_clouds(joint(coded, some), found[some])
    return on_code > UNCLEAR and beside_clouds(joint(columns, some), groups[some]) < FEWER * on_code


def beside_clouds(rows: np.ndarray, groups: np.ndarray) -> float:
    """Borders of groups of rows [n, d] beyond chance, divided by those of k-means in clouds of their covariance.

    The clouds have no groups: one is Gaussian, one has the values of each column, and that which is parted more counts.
    Groups of noise have about 1.
    """
    asked, n_clusters = np.arange(len(rows)), int(groups.max()) + 1
    near = nearest(rows, asked)
    clouds = _gaussian(rows).astype(np.float32), _cloud(rows)  # of few groups the gaps part the latter as well
    most_parted = max(_of_k_means(cloud, n_clusters) for cloud in clouds)
    return beyond_chance(near, asked, groups) / max(most_parted, 1 / near.size)


def looked_up(views: Sequence[np.ndarray], seed: int, most: int = ASKED) -> tuple[np.ndarray, list[np.ndarray]]:
    """Some rows, by their numbers, and their `nearest` among these in each view [n, d]."""
    some = subset(len(views[0]), most, seed)
    asked = np.arange(len(some))
    return some, [nearest(view[some], asked) for view in views]


def in_all(groups: np.ndarray, some: np.ndarray, near: Sequence[np.ndarray]) -> float:
    """Borders of groups [n] beyond chance, in all views together; some, near: as `looked_up` gives them."""
    return sum(beyond_chance(each, np.arange(len(some)), groups[some]) for each in near)


def clearly_fewer(borders: Sequence[float]) -> int:
    """Number of the least of these, where it is clearly less than the first; else 0."""
    best = int(np.argmin(borders))
    return best if borders[best] < FEWER * borders[0] else 0


def is_worse(columns: np.ndarray, groups: np.ndarray, before: np.ndarray) -> bool:
    """Whether groups of rows [n, d] have clearly more borders beyond chance than those before them, int [n] each."""
    asked = np.arange(len(columns))
    near = nearest(columns, asked)
    return FEWER * beyond_chance(near, asked, groups) > beyond_chance(near, asked, before)
