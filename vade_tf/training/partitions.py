"""The soft partition of a fit's rows: found by its start, recomputed on the code as that gets better.

Of more than `READ` rows a start reads so many; the others get P through landmarks of these.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import scipy.sparse
from sklearn.neighbors import NearestNeighbors

from vade_tf.data.sparse import Rows, part
from vade_tf.model.counts import Counts
from vade_tf.seeding import Stream, subset
from vade_tf.threads import one_openmp_thread
from vade_tf.training import distribute, ensemble, feature_spaces, initialization, n_clusters, posterior, spectral
from vade_tf.training.feature_spaces import within_reach
from vade_tf.training.fitting import Fitting
from vade_tf.training.initialization import Start

READ = 100_000  # rows that a start reads, at most: more take minutes and change no border
BLOCK = 16_384  # rows that get their P together
LANDMARKS_EACH = 4  # for each group at least


def kind(fitting: Fitting) -> str:
    """What the rows of a fit are: "images", "counts", "texts", "table" or "rows"."""
    return "counts" if isinstance(fitting.model.likelihood, Counts) else fitting.data.kind


def rule(fitting: Fitting) -> tuple[str, object]:
    """`initialization.rule` of a fit. Networks of the caller's own have no directions of log counts."""
    space, method = initialization.rule(kind(fitting), fitting.settings.init if fitting.init is None else fitting.init)
    return initialization.OF_CODE if space == "directions" and fitting.own_networks else (space, method)


def found_on_code(fitting: Fitting) -> bool:
    """Whether the start reads the code, so that training finds it anew as the code gets better."""
    return rule(fitting)[0] == "code"


def rows_read(n: int, seed: int) -> np.ndarray | None:
    """The numbers of the rows, ascending, that a start of n rows reads; None: all of them."""
    return None if n <= READ else subset(n, READ, seed, Stream.START_ROWS)


def read_by_start(fitting: Fitting) -> tuple[Rows, np.ndarray | None]:
    """The rows that a start reads, and their numbers; of few rows all of them and None."""
    x = fitting.data.rows
    numbers = rows_read(len(x), fitting.settings.start_seed)
    return (x, None) if numbers is None else (part(x, numbers), numbers)


def found_start(fitting: Fitting, phase: str) -> Start:
    """The start of a phase, "init" or "regroup", on the model as it is now.

    The chief of several workers finds P of the rows that are read; each worker extends it to its share of the others.
    """
    (space, method), (some, numbers) = rule(fitting), read_by_start(fitting)
    if space == "given":
        P = initialization.given_partition(method, fitting.data, fitting.settings.clusters)
        read = P if numbers is None else P[numbers]
        found = Start.of(read, within_reach(posterior.codes(fitting.model, some)))
        return found if numbers is None else replace(found, P=P.astype(np.float16))
    reader = _reader(fitting, space, some)
    places = reader(some)

    def find() -> dict[str, np.ndarray]:
        z = places[0] if space == "code" else within_reach(posterior.codes(fitting.model, some))
        advance = fitting.reporter.phase(phase, spectral.DRAWS if method == "spectral" else 1)
        text = f"{initialization.described(space, method)}, {fitting.settings.clusters} groups"
        more = partial(ensemble.draws, fitting) if ensemble.wanted(fitting) else tuple
        tell = partial(advance, 1, text)
        with one_openmp_thread():  # sums over threads come in any order; a resumed run must be equal
            P = initialization.partition(
                method, places, fitting.settings.clusters, fitting.settings.start_seed, tell, more
            )
        if method != "spectral":
            tell()
        return vars(Start.of(P, z))

    found = Start(**fitting.by_chief(find))
    return found if numbers is None else replace(found, P=_extended(fitting, reader, places, numbers, found.P))


def _reader(fitting: Fitting, space: str, x: Rows) -> feature_spaces.Reader:
    readers = {
        "columns": feature_spaces.columns,
        "directions": feature_spaces.count_directions,
        "code": feature_spaces.code,
    }
    return readers[space](fitting.model, x)


def _extended(fitting: Fitting, reader, places: list[np.ndarray], numbers: np.ndarray, P: np.ndarray) -> np.ndarray:
    """P [n, K] of all rows from that of the rows that were read, by their numbers."""
    settings, n = fitting.settings, len(fitting.data.x)
    k, own = settings.clusters, distribute.share(fitting.strategy, n)
    found = np.empty((len(own), k), np.float16)
    with one_openmp_thread():
        spread = Extension(places, P, settings.start_seed)
    for first in range(own.start, own.stop, BLOCK):
        end = min(first + BLOCK, own.stop)
        found[first - own.start : end - own.start] = spread.partition(
            reader(part(fitting.data.rows, slice(first, end)))
        )
    flat = range(own.start * k, own.stop * k)
    whole = distribute.joined(fitting.strategy, found.ravel(), flat, n * k).reshape(n, k)
    whole[numbers] = P
    return whole


class Extension:
    """P of some rows, for others: labels spread over an anchor graph (Liu et al., ICML 2010).

        P_i = mean_spaces sum_l tie_il share_l,      share_l = sum_j tie_jl P_j / sum_j tie_jl

    Args:
        spaces: the rows that have P, in one or more spaces: [n, d] each.
        P: theirs, [n, K].
        seed: of the landmarks.
    """

    def __init__(self, spaces: Sequence[np.ndarray], P: np.ndarray, seed: int):
        n, k = P.shape
        most = min(max(spectral.LANDMARKS, LANDMARKS_EACH * k), n // 5)
        self.nearest, self.share = [], []
        for space in spaces:
            rows = np.ascontiguousarray(space, np.float32)
            search = NearestNeighbors(n_neighbors=min(spectral.TIES + 1, most), algorithm="brute")
            self.nearest.append(search.fit(spectral.landmarks(rows, seed, most)))
            ties = scipy.sparse.csr_matrix(spectral.tied(rows, self.nearest[-1]))
            self.share.append((ties.T @ P.astype(np.float64)) / np.maximum(ties.sum(axis=0).T, 1e-12))  # [M, K]

    def partition(self, spaces: Sequence[np.ndarray]) -> np.ndarray:
        """P of other rows, in the same spaces: [n, K]."""
        found = [
            spectral.tied(np.ascontiguousarray(space, np.float32), nearest) @ np.asarray(share)
            for space, nearest, share in zip(spaces, self.nearest, self.share, strict=True)
        ]
        return np.asarray(sum(found)) / len(found)


def regrouped(fitting: Fitting) -> np.ndarray:
    """P on the present code, its groups named as the model's components: float16 [n, K]."""
    P, (some, numbers) = found_start(fitting, "regroup").P, read_by_start(fitting)
    present = fitting.by_chief(lambda: {"groups": posterior.model_groups(fitting.model, some)})["groups"]
    groups = P.argmax(axis=1) if numbers is None else P[numbers].argmax(axis=1)
    return P[:, np.argsort(spectral.naming(groups, present, fitting.settings.clusters))]


def strengths(fitting: Fitting) -> dict[str, np.ndarray]:
    """The prediction strength of each number of clusters, in the space that the start reads: what a choice needs."""
    space, (some, _) = rule(fitting)[0], read_by_start(fitting)
    space = "code" if space == "given" else space
    tried = n_clusters.numbers_tried(len(fitting.data.x))
    advance = fitting.reporter.phase("clusters", 1)
    with one_openmp_thread():
        rows = _reader(fitting, space, some)(some)[0]
        found = n_clusters.prediction_strength(rows, tried, fitting.settings.start_seed)
    advance(1, f"1 to {tried[-1]} groups")
    return {"tried": np.array(tried), "strength": found}
