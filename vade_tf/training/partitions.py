"""The soft partition of a fit's rows: found by its start, recomputed on the code as that gets better. No labels.

Texts leave an autoencoder much room: one folds together what the next keeps apart. So the groups of further ones, which
read the commonest words alone and so are less work, vote together with those of the first.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.rows import Rows, SparseRows, part
from vade_tf.seeding import Stream, fold, several, subset
from vade_tf.threads import in_threads, one_openmp_thread
from vade_tf.training import autoencoder, embeddings, feature_spaces, initialization, n_clusters, posterior, spectral
from vade_tf.training.fitting import Fitting, begin
from vade_tf.training.initialization import Start

MAX_ROWS_READ = 100_000  # by a start: more take minutes and change no border; others get P through landmarks
MIN_AGREEMENT = 0.9  # adjusted Rand index from which on two groupings count as the same
N_AUTOENCODERS = 3  # of texts, with the first: R8 has ACC 0.67 with three, 0.58 with one
N_WORDS = 2000  # that a further one reads: as many as DEC and VaDE took of Reuters
MAX_TEXTS = 20_000  # of more, the first autoencoder takes long enough


def rule(fitting: Fitting) -> tuple[str, object]:
    """The space that the start of a fit reads, and its method there, see `initialization.rule`.

    Where the encoder reads no log counts, as networks of the caller's own do not, the start reads the code instead.
    """
    space = fitting.model.likelihood.start_space or initialization.SPACE_OF_KIND.get(fitting.data.kind, "code")
    if space == "directions" and feature_spaces.log_counts_of(fitting.model) is None:
        space = "code"
    return initialization.rule(space, fitting.settings.init if fitting.init is None else fitting.init)


def rows_read(n: int, seed: int) -> np.ndarray | None:
    """The numbers of the rows, ascending, that a start of n rows reads; None: all of them."""
    return None if n <= MAX_ROWS_READ else subset(n, MAX_ROWS_READ, seed, Stream.START_ROWS)


def _rows_of_start(fitting: Fitting) -> tuple[Rows, np.ndarray | slice]:
    """The rows that a start reads, and what finds them among all."""
    x = fitting.data.rows
    numbers = rows_read(len(x), fitting.settings.start_seed)
    return (x, slice(None)) if numbers is None else (part(x, numbers), numbers)


def found_start(fitting: Fitting, phase: str) -> Start:
    """The start of a phase, "init" or "regroup", on the model as it is now.

    The chief of several workers finds P of the rows that are read; each worker extends it to the others.
    """
    (space, method), (some, numbers) = rule(fitting), _rows_of_start(fitting)
    x, k, seed = fitting.data.x, fitting.settings.clusters, fitting.settings.start_seed
    weight = None if fitting.sample_weight is None else fitting.sample_weight[numbers]

    def codes() -> np.ndarray:
        return feature_spaces.check_code(posterior.codes(fitting.model, some))

    if space == "given":  # an array, or a function of the raw rows
        given = method
        if callable(given):
            given = given(x.matrix if isinstance(x, SparseRows) else x[np.arange(len(x))])
        P = initialization.as_partition(given, len(x), k)
        return replace(Start.of(P[numbers], codes(), weight), P=P.astype(np.float16))
    reader = feature_spaces.READERS[space](fitting.model, some)
    spaces = reader(some)

    def find() -> dict[str, np.ndarray]:
        z = spaces[0] if space == "code" else codes()
        steps = spectral.N_DRAWS if method == "spectral" else 1
        text = f"{initialization.described(space, method)}, {k} groups"
        advance = partial(fitting.reporter.phase(phase, steps), 1, text)
        more = partial(text_draws, fitting) if has_ensemble(fitting) else tuple
        with one_openmp_thread():  # sums over threads come in any order; a resumed run must be equal
            P = initialization.partition(method, spaces, k, seed, advance, more, weight)
        if method != "spectral":
            advance()
        return vars(Start.of(P, z, weight))

    found = Start(**fitting.by_chief(find))
    if len(some) == len(x):
        return found
    return replace(found, P=_extended(fitting, reader, spaces, numbers, found.P))


def _extended(fitting: Fitting, reader, spaces: list[np.ndarray], numbers, P: np.ndarray) -> np.ndarray:
    """P [n, K] of all rows from that of those that were read."""
    n, compared = len(fitting.data.x), 1 if rule(fitting)[0] == "columns" else None  # the second is for mixtures
    with one_openmp_thread():
        extend = extension(spaces[:compared], P, fitting.settings.start_seed)
    whole = np.empty((n, P.shape[1]), np.float16)  # filled in place: of many rows this is most of the memory
    size = 16_384  # rows at a time
    for first in range(0, n, size):
        block = slice(first, min(first + size, n))
        whole[block] = extend(reader(part(fitting.data.rows, block))[:compared])
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


def has_ensemble(fitting: Fitting) -> bool:
    """Whether further autoencoders vote: of few texts, on one device, where no network is the caller's own."""
    few = fitting.data.kind == "texts" and len(fitting.data.x) <= MAX_TEXTS
    return few and fitting.settings.pretrain_epochs > 0 and not fitting.own_networks and fitting.strategy is None


def text_draws(fitting: Fitting) -> list[np.ndarray]:
    """The groups that draws on the further autoencoders find, int32 [n] each; trained now, or from the store."""
    found, settings, draws = fitting.store.load("further"), fitting.settings, []
    if found is None:
        data = _commonest_words(fitting.data)
        for number in range(1, N_AUTOENCODERS):
            fitting.reporter.say(f"autoencoder {number + 1} of {N_AUTOENCODERS}, of the commonest words: all vote")
            own = replace(settings, seed=fold(settings.seed, Stream.ENSEMBLE, number))
            further = begin(data, own, reporter=fitting.reporter)
            autoencoder.pretrain(further)
            spaces = feature_spaces.code(further.model, data.rows)(data.rows)
            seeds = several(fold(settings.start_seed, Stream.ENSEMBLE, number), spectral.N_DRAWS)
            draws += in_threads(partial(spectral.landmark_draw, spaces, settings.clusters), seeds, lambda: None)
        found = {"draws": np.array(draws, np.int32)}
        fitting.store.save("further", found)
    return list(found["draws"])


def _commonest_words(data: Observations) -> Observations:
    """Texts in the `N_WORDS` words that most of them have; `networks.Roots` brings what is left to one length again."""
    texts = sum((block > 0).sum(axis=0) for block in pipeline.blocks(data.x))  # that have a word, [D]
    words = np.sort(np.argsort(-texts, kind="stable")[:N_WORDS])
    if isinstance(data.x, SparseRows):
        return replace(data, x=SparseRows(data.x.matrix[:, words]))
    return replace(data, x=np.concatenate([block[:, words] for block in pipeline.blocks(data.x)]))


def regrouped(fitting: Fitting) -> np.ndarray:
    """P on the present code, its groups named as the model's components: float16 [n, K]."""
    P, (some, numbers) = found_start(fitting, "regroup").P, _rows_of_start(fitting)
    present = fitting.by_chief(lambda: {"groups": posterior.model_groups(fitting.model, some)})["groups"]
    return P[:, np.argsort(spectral.naming(P[numbers].argmax(axis=1), present, fitting.settings.clusters))]


def strengths(fitting: Fitting) -> dict[str, np.ndarray]:
    """The prediction strength of each number of clusters, in the space that the start reads: what a choice needs."""
    space, (some, _) = rule(fitting)[0], _rows_of_start(fitting)
    many = space == "embeddings"
    tried = n_clusters.numbers_tried(len(fitting.data.x), 100 if many else 20)
    advance = fitting.reporter.phase("clusters", 1)
    with one_openmp_thread():
        reader = feature_spaces.READERS["code" if space == "given" else space](fitting.model, some)
        codes = reader(some)[0]
        read = embeddings.average if many else np.asarray
        strength = n_clusters.prediction_strength(codes, tried, fitting.settings.start_seed, read)
    advance(1, f"1 to {tried[-1]} groups")
    found = {"tried": np.array(tried), "strength": strength.weakest}
    if many:
        found["mean"] = strength.mean
    return found
