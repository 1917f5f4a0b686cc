"""Further autoencoders of texts, whose groups vote together with those of the first. No labels.

Texts leave an autoencoder much room: each finds another code, and one folds together what the next keeps apart. The
further ones read the commonest words alone, which say as much of the groups and are less work.
"""

from dataclasses import replace

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.sparse import SparseRows
from vade_tf.seeding import Stream, fold, several
from vade_tf.threads import in_threads
from vade_tf.training import autoencoder, feature_spaces, spectral
from vade_tf.training.fitting import Fitting, begin
from vade_tf.training.store import kept

N_AUTOENCODERS = 3  # with the first: R8 has ACC 0.67 with three, 0.58 with one
N_WORDS = 2000  # that a further one reads: as many as DEC and VaDE took of Reuters
MAX_TEXTS = 20_000  # of more, the first autoencoder takes long enough


def wanted(fitting: Fitting) -> bool:
    """Whether further autoencoders vote: of few texts, on one device, where no network is the caller's own."""
    few = fitting.data.kind == "texts" and len(fitting.data.x) <= MAX_TEXTS
    return few and fitting.settings.pretrain_epochs > 0 and not fitting.own_networks and fitting.strategy is None


def draws(fitting: Fitting) -> list[np.ndarray]:
    """The groups that draws on the further autoencoders find, int32 [n] each; trained now, or from the store."""
    number = (N_AUTOENCODERS - 1) * spectral.N_DRAWS
    found = kept(fitting.store, "further", {"draws": ("i", (number, len(fitting.data.x)))})
    if found is None:
        data = _commonest_words(fitting.data)
        found = {"draws": np.concatenate([_draws_on(fitting, data, i) for i in range(1, N_AUTOENCODERS)])}
        fitting.store.save("further", found)
    return list(found["draws"])


def _draws_on(fitting: Fitting, data: Observations, number: int) -> np.ndarray:
    """The groups that draws on one further autoencoder, which reads `data`, find: int32 [N_DRAWS, n]."""
    fitting.reporter.say(f"autoencoder {number + 1} of {N_AUTOENCODERS}, of the commonest words: all vote")
    settings = replace(fitting.settings, seed=fold(fitting.settings.seed, Stream.ENSEMBLE, number))
    further = begin(data, settings, reporter=fitting.reporter)
    autoencoder.pretrain(further)
    spaces, k = feature_spaces.code(further.model, data.rows)(data.rows), settings.clusters
    seeds = several(fold(fitting.settings.start_seed, Stream.ENSEMBLE, number), spectral.N_DRAWS)
    return np.array(in_threads(lambda seed: spectral.landmark_draw(spaces, k, seed), seeds, lambda: None), np.int32)


def _commonest_words(data: Observations) -> Observations:
    """Texts in the `N_WORDS` words that most of them have; `networks.Roots` brings what is left to one length again."""
    texts = sum((block > 0).sum(axis=0) for block in pipeline.blocks(data.x))  # that have a word, [D]
    words = np.sort(np.argsort(-texts, kind="stable")[:N_WORDS])
    if isinstance(data.x, SparseRows):
        return replace(data, x=SparseRows(data.x.matrix[:, words]))
    return replace(data, x=np.concatenate([block[:, words] for block in pipeline.blocks(data.x)]))
