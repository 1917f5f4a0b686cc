"""scikit-learn's habits beyond its contract: weights of rows, batches, callbacks, Polars, names of clusters."""

import numpy as np
import polars
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer
from vade_tf.estimator import CallbackSupportMixin

QUICK = {"hidden": (16,), "latent_dim": 2, "pretrain_epochs": 5, "epochs": 4, "batch_size": 32, "precision": "float32"}


def clusterer(n_clusters=3, **more):
    return VaDEClusterer(n_clusters, **{**QUICK, "random_state": 0, **more})


@pytest.fixture
def groups():
    return np.repeat(np.arange(3), 60)


@pytest.fixture
def x(rng, groups):
    return rng.normal(4 * np.eye(3)[groups], 1, (180, 3)).astype(np.float32)


def test_rows_without_weight_leave_no_trace(x, groups):
    found = clusterer(2).fit(x, sample_weight=(groups != 2).astype(float))
    seen = groups != 2
    assert adjusted_rand_score(groups[seen], found.labels_[seen]) > 0.9
    np.testing.assert_allclose(found.weights_, 0.5, atol=0.05)


@pytest.mark.parametrize("weights", [np.ones(179), np.full(180, -1.0), np.zeros(180), np.full(180, np.nan)])
def test_weights_that_cannot_be_used_are_named(x, weights):
    with pytest.raises(ValueError, match="^sample_weight: expected"):
        clusterer().fit(x, sample_weight=weights)


def test_the_first_batch_is_a_fit_and_each_later_one_raises_its_own_bound(x, groups, tmp_path):
    first, second = x[::2], x[1::2]
    found = clusterer().partial_fit(first)
    np.testing.assert_array_equal(found.means_, clusterer().fit(first).means_)
    found.save(tmp_path / "model.vade")
    before, names = found.score(second), found.predict(first)
    for each in (found, VaDEClusterer.load(tmp_path / "model.vade")):
        for _ in range(20):
            each.partial_fit(second, sample_weight=np.ones(90))
        assert each.score(second) > before
        np.testing.assert_array_equal(each.labels_, each.predict(second))
        assert adjusted_rand_score(names, each.predict(first)) > 0.9
    with pytest.raises(ValueError, match="features"):
        found.partial_fit(x[:, :2])


@pytest.mark.skipif(not hasattr(CallbackSupportMixin, "set_callbacks"), reason="callbacks came with scikit-learn 1.9")
def test_scikit_learns_callbacks_hear_every_epoch_and_may_end_a_phase(x):
    class Heard:
        def __init__(self, stop=0):
            self.tasks, self.ended, self.stop = [], 0, stop

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            self.ended += 1

        def on_fit_task_begin(self, estimator, context, *, X):
            assert len(X) == 180

        def on_fit_task_end(self, estimator, context, *, metadata):
            self.tasks.append((context.task_name, "loss" in (metadata or {})))
            return len(self.tasks) == self.stop

    heard, short = Heard(), Heard(stop=2)
    model = clusterer().set_callbacks(heard).fit(x)
    assert heard.tasks == [("epoch", True)] * (5 + 4) + [("fit", False)]
    assert heard.ended == 1
    clone(model).set_callbacks(short).fit(x)
    assert len(short.tasks) == 2 + 4 + 1


def test_what_comes_from_polars_goes_back_to_it(x, groups, tmp_path):
    level = [["low", "middle", "high"][group] for group in groups]
    frame = polars.DataFrame({"a": x[:, 0], "b": x[:, 1], "level": [None, *level[1:]]})
    model = clusterer().fit(frame)
    model.save(tmp_path / "model.vade")
    for each in (model, VaDEClusterer.load(tmp_path / "model.vade")):
        for found in (each.impute(frame), each.sample(180)[0], each.inverse_transform(each.transform(frame))):
            assert isinstance(found, polars.DataFrame)
            assert (found.columns, found["level"].null_count()) == (["a", "b", "level"], 0)
    assert isinstance(model.impute(frame.to_pandas()), type(frame.to_pandas()))
    coded = model.set_output(transform="polars").transform(frame)
    assert (type(coded), coded.columns) == (polars.DataFrame, ["vade0", "vade1"])


def test_clusters_of_a_matrix_of_texts_are_called_by_their_words(rng, tmp_path):
    kinds = [("dog cat", "fur paw tail vet"), ("stock market", "bank rate fund bond")]
    texts = [f"{head} {' '.join(rng.choice(words.split(), 4))}" for head, words in kinds for _ in range(60)]
    vectorizer = TfidfVectorizer()
    matrix = vectorizer.fit_transform(texts)
    model = clusterer(2, feature_names=vectorizer.get_feature_names_out()).fit(matrix)
    first = model.labels_[0]
    assert {"dog", "cat"} <= set(model.cluster_names_[first].split(", "))
    assert {"stock", "market"} <= set(model.cluster_names_[1 - first].split(", "))
    model.save(tmp_path / "model.vade")
    assert VaDEClusterer.load(tmp_path / "model.vade").cluster_names_ == model.cluster_names_
    with pytest.raises(ValueError, match="^feature_names: expected"):
        model.set_params(feature_names=["one"]).fit(matrix)
