"""Texts as scikit-learn's vectorizers leave them: no setting of these makes the code collapse."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from vade_tf import VaDEClusterer, metrics
from vade_tf.model.networks import Roots

SMALL = {
    "latent_dim": 4,
    "hidden": (32,),
    "pretrain_epochs": 40,
    "epochs": 40,
    "batch_size": 64,
    "precision": "float32",
}
TOPICS = np.arange(240) % 3


@pytest.fixture(scope="module")
def texts():
    """Of three topics: 60 words that all share, and 20 of their own, of which each text has some."""
    r = np.random.default_rng(0)
    common, own = [f"word{i}" for i in range(60)], [[f"topic{c}x{i}" for i in range(20)] for c in range(3)]
    share = r.dirichlet(np.full(60, 0.3))
    return [
        " ".join([*r.choice(common, r.integers(10, 60), p=share), *r.choice(own[c], r.integers(8, 25))]) for c in TOPICS
    ]


@pytest.mark.parametrize(
    "vectorizer",
    [TfidfVectorizer(), pytest.param(CountVectorizer(), marks=pytest.mark.long)],
    ids=["defaults", "counts"],
)
def test_the_topics_are_found_and_the_code_speaks(texts, vectorizer):
    x = vectorizer.fit_transform(texts)
    model = VaDEClusterer(3, random_state=0, **SMALL).fit(x)
    assert metrics.accuracy(TOPICS, model.labels_) > 0.9
    assert model.history_[-1]["rate_z"] > 1.0
    assert not any("next to nothing" in sentence for sentence in model.health_)
    rooted = isinstance(model.model_.scaling, Roots)
    assert rooted == (getattr(vectorizer, "norm", None) == "l2")
    if rooted:  # and samples are rows as these again
        drawn = model.sample(5)[0]
        assert drawn.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, rtol=1e-5)
