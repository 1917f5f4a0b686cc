"""scikit-learn's contract, and what the clusterer adds to it: units, hints, one file, nothing written."""

import pickle

import numpy as np
import pandas
import pytest
import scipy.sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import vade_tf
from vade_tf import VaDEClusterer
from vade_tf.errors import InputError
from vade_tf.model import elbo

QUICK = {"hidden": (16,), "latent_dim": 2, "pretrain_epochs": 15, "epochs": 4, "batch_size": 32, "precision": "float32"}
SHORT = {"pretrain_epochs": 1, "epochs": 1, "batch_size": 80, "init": "kmeans", "regroups": 0, "validation_rows": 0}
SHORTEST = {**QUICK, **SHORT}


SPARSE = "scikit-learn asks for the tags of a classifier wherever there is predict_proba; sparse rows are tested below"


ORDER = "float32 products round by a row's place in its batch: probabilities differ by 1e-7, at which this check stops"


BATCHES = "rows that stand twice come in other batches than rows of weight 2, as in MiniBatchKMeans"


def expected_failures(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": BATCHES,
        "check_sample_weight_equivalence_on_sparse_data": BATCHES,
        "check_estimator_sparse_array": SPARSE,
        "check_estimator_sparse_matrix": SPARSE,
        "check_methods_sample_order_invariance": ORDER,
        "check_methods_subset_invariance": ORDER,
    }


@pytest.mark.usefixtures("eager")
@parametrize_with_checks(
    [VaDEClusterer(n_clusters=3, random_state=0, **{**SHORTEST, "pretrain_epochs": 0})],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_contract(estimator, check):
    if reason := expected_failures(estimator).get(check.func.__name__):
        pytest.xfail(reason)  # without the fits that it would make
    check(estimator)


@pytest.fixture(scope="module")
def blobs():
    """240 rows of three far groups in odd units: [240, 5] and the group of each."""
    x, y = make_blobs(240, 5, centers=3, cluster_std=0.6, random_state=1)
    return (1000 + 250 * x).astype(np.float64), y


@pytest.fixture(scope="module")
def fitted(blobs):
    longer = {**QUICK, "hidden": (32, 32), "pretrain_epochs": 40, "epochs": 20, "learning_rate": 5e-3}
    return VaDEClusterer(n_clusters=3, random_state=0, **longer).fit(blobs[0])


def test_it_finds_the_groups_and_its_answers_agree(fitted, blobs):
    x, y = blobs
    assert adjusted_rand_score(y, fitted.labels_) > 0.95
    gamma = fitted.predict_proba(x)
    np.testing.assert_array_equal(gamma.argmax(axis=1), fitted.labels_)
    np.testing.assert_array_equal(gamma.max(axis=1), fitted.probabilities_)
    np.testing.assert_array_equal(fitted.predict(x), fitted.labels_)
    np.testing.assert_allclose(gamma.sum(axis=1), 1, rtol=1e-5)
    assert fitted.weights_.sum() == pytest.approx(1, rel=1e-5)
    assert fitted.means_.shape == fitted.covariances_.shape == (3, 2)
    # Bayes' rule from the attributes alone, on codes drawn from q(z|x)
    m, log_s2 = (part.numpy().astype("f8") for part in fitted.model_.encode(x))
    np.testing.assert_allclose(fitted.transform(x), m, atol=1e-4)
    z = m[:, None] + np.exp(log_s2 / 2)[:, None] * elbo.cubature(2)  # [n, draws, 2]
    s2 = fitted.covariances_
    squares = (z[:, :, None] - fitted.means_) ** 2 / s2 + np.log(2 * np.pi * s2)
    joint = np.log(fitted.weights_) - 0.5 * squares.sum(axis=3)
    np.testing.assert_allclose(gamma, softmax(joint, axis=2).mean(axis=1), atol=1e-3)


@pytest.mark.long
def test_a_row_is_answered_alike_wherever_it_stands(fitted, blobs):
    """scikit-learn's two checks of this, at the precision of float32."""
    x, r = blobs[0], np.random.default_rng(0).permutation(240)
    for answer in (fitted.predict_proba, fitted.transform, fitted.score_samples):
        whole = answer(x)
        np.testing.assert_allclose(answer(x[r]), whole[r], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            np.concatenate([answer(x[i : i + 7]) for i in range(0, 240, 7)]), whole, rtol=1e-4, atol=1e-5
        )


def test_samples_and_reconstructions_are_in_the_units_of_the_rows(fitted, blobs):
    x, _ = blobs
    for c in range(3):
        rows, clusters = fitted.sample(50, cluster=c)
        assert np.all(clusters == c)
        members = x[fitted.labels_ == c]
        np.testing.assert_allclose(rows.mean(axis=0), members.mean(axis=0), atol=members.std())
        assert np.mean(fitted.predict(rows) == c) > 0.9
    again = fitted.inverse_transform(fitted.transform(x))
    assert np.mean((again - x) ** 2) < 0.2 * x.var(axis=0).mean()


def test_samples_are_decoded_few_at_a_time(fitted, monkeypatch):
    most, own = [], type(fitted.model_).decode
    monkeypatch.setattr(type(fitted.model_), "decode", lambda self, z: most.append(len(z)) or own(self, z))
    rows, clusters = fitted.sample(5000, random_state=3)
    assert max(most) <= 1024 < sum(most)
    seed = np.random.RandomState(3)
    share = fitted.weights_.astype(np.float64)
    seed.choice(3, 5000, p=share / share.sum())
    at_once = fitted.model_.sample(clusters, seed=int(seed.randint(2**31 - 1)))
    np.testing.assert_allclose(rows, fitted.model_.unscale(at_once), rtol=1e-4, atol=1e-4)


def test_samples_come_from_pi_and_a_seed_repeats_them(fitted):
    rows, clusters = fitted.sample(4000, random_state=3)
    np.testing.assert_allclose(np.bincount(clusters, minlength=3) / 4000, fitted.weights_, atol=0.04)
    np.testing.assert_array_equal(fitted.sample(4000, random_state=3)[0], rows)
    assert not np.array_equal(fitted.sample(4000, random_state=4)[0], rows)
    own = fitted.sample(2, cluster=1)[1]
    own += 1  # it belongs to the caller
    np.testing.assert_array_equal(own, [2, 2])


@pytest.mark.parametrize("cluster", [3, -1, 0.5, "a"])
def test_a_cluster_that_is_not_there_is_named(fitted, cluster):
    with pytest.raises(ValueError, match="cluster"):
        fitted.sample(2, cluster=cluster)


def test_rare_rows_score_low(fitted, blobs):
    x, _ = blobs
    odd = x[:20] + 40_000 * np.where(np.arange(5) % 2, 1, -1)
    with pytest.warns(UserWarning, match="units of the training"):
        low = fitted.score_samples(odd)
    assert low.max() < np.median(fitted.score_samples(x))
    assert fitted.score(x) == pytest.approx(fitted.score_samples(x).mean(), rel=1e-5)


@pytest.mark.usefixtures("eager")
def test_frames_and_sparse_rows_go_in(blobs):
    x, _ = blobs
    frame = pandas.DataFrame(x, columns=list("abcde"), index=np.arange(240) + 7)
    model = VaDEClusterer(n_clusters=3, random_state=0, **SHORTEST).set_output(transform="pandas")
    code = model.fit(frame).transform(frame)
    assert list(model.feature_names_in_) == list("abcde")
    assert list(code.columns) == list(model.get_feature_names_out()) == ["vade0", "vade1"]
    assert list(code.index) == list(frame.index)
    sparse = scipy.sparse.csr_array(np.where(x > 1000, x, 0.0))
    groups = clone(model).fit_predict(sparse)
    np.testing.assert_array_equal(groups, clone(model).fit_predict(sparse.toarray()))


@pytest.mark.usefixtures("eager")
def test_labels_are_ignored(blobs):
    x, y = blobs
    model = VaDEClusterer(n_clusters=3, random_state=0, **SHORTEST)
    some, none = (clone(model).fit(x, labels).model_.get_weights() for labels in (y, None))
    for a, b in zip(some, none, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_was_pickled_answers_as_before(fitted, blobs):
    x, again = blobs[0], pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    np.testing.assert_array_equal(again.score_samples(x), fitted.score_samples(x))
    np.testing.assert_array_equal(again.labels_, fitted.labels_)
    assert again.get_params() == fitted.get_params()
    assert again.history_ == fitted.history_
    assert (again.health_, again.remedies_) == (fitted.health_, fitted.remedies_)


def test_a_file_that_holds_no_clusterer_is_named(tmp_path):
    (tmp_path / "x.vade").write_bytes(b"nothing")
    with pytest.raises(InputError, match="x.vade"):
        VaDEClusterer.load(tmp_path / "x.vade")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "^n_clusters: "),
        ({"n_clusters": 300}, "^n_clusters: "),
        ({"epochs": 2.5}, "^epochs: "),
        ({"epochs": "3"}, "^epochs: "),
        ({"augment": "no"}, "^augment: "),
        ({"likelihood": "poisson"}, "^likelihood: "),
        ({"likelihood": "bernoulli"}, "^likelihood: "),
        ({"hints": np.zeros(3, int)}, "^hints: "),
        ({"random_state": -1}, "^random_state"),
        ({"encoder": 3}, "^encoder: "),
    ],
)
def test_what_cannot_be_used_is_named(settings, message, blobs):
    with pytest.raises(ValueError, match=message):
        VaDEClusterer(**{"n_clusters": 3, "random_state": 0, **QUICK, **settings}).fit(blobs[0])


@pytest.mark.usefixtures("eager")
def test_numpy_numbers_are_numbers(blobs, tmp_path):
    settings = {**SHORTEST, "epochs": np.int64(2), "latent_dim": np.int32(2), "learning_rate": np.float32(1e-3)}
    model = VaDEClusterer(n_clusters=np.int64(3), random_state=np.int64(0), **settings).fit(blobs[0])
    assert sum(row["phase"] == "fit" for row in model.history_) == 2
    model.save(tmp_path / "model.vade")
    assert VaDEClusterer.load(tmp_path / "model.vade").random_state == 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "hidden", ["16,8", *(pytest.param(h, marks=pytest.mark.long) for h in ([np.int64(16)], (16,)))]
)
def test_widths_in_any_form_come_back_from_the_file(hidden, blobs, tmp_path):
    model = VaDEClusterer(3, random_state=0, **{**SHORTEST, "hidden": hidden}).fit(blobs[0])
    model.save(tmp_path / "model.vade")
    again = VaDEClusterer.load(tmp_path / "model.vade")
    assert vade_tf.Settings(hidden=again.hidden).hidden == vade_tf.Settings(hidden=hidden).hidden
    np.testing.assert_array_equal(again.predict(blobs[0]), model.labels_)


@pytest.mark.usefixtures("eager")
def test_images_are_of_the_shape_that_was_fitted(tmp_path):
    images = np.random.default_rng(0).random((60, 6, 4))
    model = VaDEClusterer(2, random_state=0, **SHORTEST).fit(images)
    model.save(tmp_path / "model.vade")
    for each in (model, VaDEClusterer.load(tmp_path / "model.vade")):
        np.testing.assert_array_equal(each.predict(images[..., None]), model.labels_)
        np.testing.assert_array_equal(each.predict(images.reshape(60, 24)), model.labels_)
        with pytest.raises(ValueError, match=r"^X: expected images of \(6, 4\)"):
            each.predict(images.transpose(0, 2, 1))
    with pytest.raises(ValueError, match=r"\(3, 8\)"):
        VaDEClusterer(2, image_shape=(3, 8), random_state=0, **SHORTEST).fit(images)


@pytest.mark.usefixtures("eager")
def test_progress_is_printed_where_it_is_asked_for(blobs, capsys):
    VaDEClusterer(n_clusters=3, random_state=0, **SHORTEST).fit(blobs[0])
    assert capsys.readouterr().out == ""
    VaDEClusterer(n_clusters=3, random_state=0, verbose=1, **SHORTEST).fit(blobs[0])
    out = capsys.readouterr().out
    assert "Autoencoder" in out
    assert "Starting mixture" in out
    assert "VaDE" in out
