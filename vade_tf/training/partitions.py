"""The soft partition of a fit's rows: found by its start, recomputed on the code as that gets better.

Of more than `MAX_ROWS_READ` rows a start reads so many; the others get P through landmarks of these.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from vade_tf.data.sparse import Rows, SparseRows, part
from vade_tf.model.counts import Counts
from vade_tf.seeding import Stream, subset
from vade_tf.threads import one_openmp_thread
from vade_tf.training import distribute, ensemble, feature_spaces, initialization, n_clusters, posterior, spectral
from vade_tf.training.fitting import Fitting
from vade_tf.training.initialization import Start

MAX_ROWS_READ = 100_000  # by a start: more take minutes and change no border


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
    return None if n <= MAX_ROWS_READ else subset(n, MAX_ROWS_READ, seed, Stream.START_ROWS)


def _rows_of_start(fitting: Fitting) -> tuple[Rows, np.ndarray | None]:
    """The rows that a start reads, and their numbers; of few rows all of them and None."""
    x = fitting.data.rows
    numbers = rows_read(len(x), fitting.settings.start_seed)
    return (x, None) if numbers is None else (part(x, numbers), numbers)


def found_start(fitting: Fitting, phase: str) -> Start:
    """The start of a phase, "init" or "regroup", on the model as it is now.

    The chief of several workers finds P of the rows that are read; each worker extends it to its share of the others.
    """
    (space, method), (some, numbers) = rule(fitting), _rows_of_start(fitting)
    k, seed = fitting.settings.clusters, fitting.settings.start_seed
    if space == "given":
        P = _given_partition(fitting, method)
        found = Start.of(P if numbers is None else P[numbers], _codes(fitting, some))
        return replace(found, P=P.astype(np.float16))
    reader = feature_spaces.READERS[space](fitting.model, some)
    spaces = reader(some)

    def find() -> dict[str, np.ndarray]:
        z = spaces[0] if space == "code" else _codes(fitting, some)
        steps = spectral.N_DRAWS if method == "spectral" else 1
        text = f"{initialization.described(space, method)}, {k} groups"
        advance = partial(fitting.reporter.phase(phase, steps), 1, text)
        more = partial(ensemble.draws, fitting) if ensemble.wanted(fitting) else tuple
        with one_openmp_thread():  # sums over threads come in any order; a resumed run must be equal
            P = initialization.partition(method, spaces, k, seed, advance, more)
        if method != "spectral":
            advance()
        return vars(Start.of(P, z))

    found = Start(**fitting.by_chief(find))
    return found if numbers is None else replace(found, P=_extended(fitting, reader, spaces, numbers, found.P))


def _given_partition(fitting: Fitting, init) -> np.ndarray:
    """P [n, K] of an array, or of a function of the raw rows, as they are given."""
    x = fitting.data.x
    if callable(init):
        init = init(x.matrix if isinstance(x, SparseRows) else x[np.arange(len(x))])
    return initialization.as_partition(init, len(x), fitting.settings.clusters)


def _codes(fitting: Fitting, x: Rows) -> np.ndarray:
    return feature_spaces.check_code(posterior.codes(fitting.model, x))


def _extended(fitting: Fitting, reader, spaces: list[np.ndarray], numbers: np.ndarray, P: np.ndarray) -> np.ndarray:
    """P [n, K] of all rows from that of the rows that were read, by their numbers."""
    n, k = len(fitting.data.x), fitting.settings.clusters
    share = distribute.share(fitting.strategy, n)
    with one_openmp_thread():
        extend = extension(spaces, P, fitting.settings.start_seed)
    blocks = [slice(first, min(first + 16_384, share.stop)) for first in range(share.start, share.stop, 16_384)]
    own = [extend(reader(part(fitting.data.rows, block))).astype(np.float16) for block in blocks]
    flat = np.concatenate([np.empty((0, k), np.float16), *own]).ravel()
    places = range(share.start * k, share.stop * k)
    whole = distribute.joined(fitting.strategy, flat, places, n * k).reshape(n, k)
    whole[numbers] = P
    return whole


def extension(spaces: Sequence[np.ndarray], P: np.ndarray, seed: int):
    """A function from other rows to their P, by rows [n, d] in one or more spaces that have P [n, K].

    Labels spread over an anchor graph (Liu et al., ICML 2010), with four landmarks for each group at least:

        P_i = mean_spaces sum_l tie_il share_l,      share_l = sum_j tie_jl P_j / sum_j tie_jl
    """
    n_landmarks = min(max(spectral.N_LANDMARKS, 4 * P.shape[1]), len(P) // 5)
    searches, shares = [], []
    for space in spaces:
        rows = np.ascontiguousarray(space, np.float32)
        n_nearest = min(spectral.N_TIES + 1, n_landmarks)
        searches.append(spectral.nearest_landmarks(rows, seed, n_landmarks, n_neighbors=n_nearest, algorithm="brute"))
        ties = spectral.landmark_ties(rows, searches[-1])
        mass = np.asarray(ties.sum(axis=0)).reshape(-1, 1)
        shares.append(np.asarray(ties.T @ P.astype(np.float64)) / np.maximum(mass, 1e-12))  # [M, K]

    def extend(spaces: Sequence[np.ndarray]) -> np.ndarray:
        found = [
            spectral.landmark_ties(np.ascontiguousarray(space, np.float32), search) @ share
            for space, search, share in zip(spaces, searches, shares, strict=True)
        ]
        return np.asarray(sum(found)) / len(found)

    return extend


def regrouped(fitting: Fitting) -> np.ndarray:
    """P on the present code, its groups named as the model's components: float16 [n, K]."""
    P, (some, numbers) = found_start(fitting, "regroup").P, _rows_of_start(fitting)
    present = fitting.by_chief(lambda: {"groups": posterior.model_groups(fitting.model, some)})["groups"]
    groups = P.argmax(axis=1) if numbers is None else P[numbers].argmax(axis=1)
    return P[:, np.argsort(spectral.naming(groups, present, fitting.settings.clusters))]


def strengths(fitting: Fitting) -> dict[str, np.ndarray]:
    """The prediction strength of each number of clusters, in the space that the start reads: what a choice needs."""
    space, (some, _) = rule(fitting)[0], _rows_of_start(fitting)
    tried = n_clusters.numbers_tried(len(fitting.data.x))
    advance = fitting.reporter.phase("clusters", 1)
    with one_openmp_thread():
        reader = feature_spaces.READERS["code" if space == "given" else space](fitting.model, some)
        found = n_clusters.prediction_strength(reader(some)[0], tried, fitting.settings.start_seed)
    advance(1, f"1 to {tried[-1]} groups")
    return {"tried": np.array(tried), "strength": found}
