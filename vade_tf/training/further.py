"""Further autoencoders of texts and of few images, which vote on the groups together with the first. No labels.

Such rows leave an autoencoder much room: each finds another code, and one folds together what the next keeps apart. So
each of them is asked for its groups, and every row goes where most put it. Of texts the further ones read the commonest
words alone: these say as much of the groups, and are less work.
"""

from dataclasses import replace

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.sparse import SparseRows
from vade_tf.seeding import fold, several
from vade_tf.training import autoencoder, regions
from vade_tf.training.fitting import Fitting, begin
from vade_tf.training.landmark_starts import DRAWS
from vade_tf.training.store import damaged, kept
from vade_tf.training.views import view_reader

AUTOENCODERS = 3  # with the first
WORDS = 2000  # that a further one reads
MOST_ROWS = 20_000  # texts; of more, the first takes long enough
MOST_IMAGES = 5000
STREAM = 6  # of the seed


def wanted(fitting: Fitting, phase: str) -> bool:
    """Whether further autoencoders vote in a phase: on one device, where none of the networks is the caller's own.

    Those of few texts vote in each phase, and those of few images that dense networks read on the start alone: of
    images VaDE's code has better groups as it is trained, which what was found before it would hold back.
    """
    n, data = len(fitting.data.x), fitting.data
    images = data.image_shape is not None and fitting.settings.network == "dense" and n <= MOST_IMAGES
    few = (data.texts and n <= MOST_ROWS) or (images and phase == "init")
    trained = fitting.settings.pretrain_epochs > 0
    return few and trained and not fitting.own_networks and fitting.strategy is None


def draws(fitting: Fitting) -> list[np.ndarray]:
    """The groups that draws on the further autoencoders find, int32 [n] each; trained now, or from the store.

    Raises:
        DivergedError: as for `autoencoder.pretrain`.
        InputError: what the store has is damaged.
    """
    number, clusters = (AUTOENCODERS - 1) * DRAWS, fitting.settings.clusters
    found = kept(fitting.store, "further", {"draws": ("i", (number, len(fitting.data.x)))})
    if found is not None and not 0 <= found["draws"].min() <= found["draws"].max() < clusters:
        raise damaged(fitting.store, "further", f"groups beyond the {clusters} clusters")
    if found is None:
        data = _commonest(fitting.data) if fitting.data.texts else fitting.data
        found = {"draws": np.concatenate([_found_by(fitting, data, which) for which in range(1, AUTOENCODERS)])}
        fitting.store.save("further", found)
    return list(found["draws"])


def _found_by(fitting: Fitting, data: Observations, which: int) -> np.ndarray:
    """The groups that draws on one of them, which reads `data`, find, int32 [DRAWS, n]."""
    read = ", of the commonest words" if fitting.data.texts else ""
    fitting.reporter.say(f"autoencoder {which + 1} of {AUTOENCODERS}{read}: all vote on the groups")
    seed = fold(fitting.settings.seed, STREAM, which)
    settings = replace(fitting.settings, seed=seed)
    own = begin(data, settings, reporter=fitting.reporter)
    autoencoder.pretrain(own)
    code, hidden = view_reader(own.model, data.rows)(data.rows)
    assert hidden is not None  # the package's networks have a layer before the code
    draws = several(fold(fitting.settings.start_seed, STREAM, which), DRAWS)  # another start has others
    return np.array(regions.landmark_draws([code, hidden], settings.clusters, draws), np.int32)


def _commonest(data: Observations) -> Observations:
    """Texts in the `WORDS` words that most of them have.

    Where all had one length, `networks.Roots` brings what is left to one again.
    """
    texts = sum((block > 0).sum(axis=0) for block in pipeline.blocks(data.x))  # that have a word, [D]
    words = np.sort(np.argsort(-texts, kind="stable")[:WORDS])
    if isinstance(data.x, SparseRows):
        return replace(data, x=SparseRows(data.x.matrix[:, words]))
    return replace(data, x=np.concatenate([block[:, words] for block in pipeline.blocks(data.x)]))
