"""The numbers of an evaluation against closed forms and independent computations."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from vade_tf.data.observations import build
from vade_tf.data.pipeline import ordered_batches
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.report import evaluation

D, LATENT = 5, 2


def test_terms_and_groups_are_those_of_the_model(small_model, rng):
    model = small_model()
    x = rng.uniform(size=(1500, 12)).astype("f4")  # more than a batch
    found = evaluation.posterior(model, x)
    bound = model.evaluate(ordered_batches(x), verbose=0, return_dict=True)
    for name in ("elbo", "distortion", "rate_z", "rate_c"):
        assert np.mean(getattr(found, name)) == pytest.approx(bound[name], rel=1e-5)
    gamma = model.predict(ordered_batches(x), verbose=0)
    np.testing.assert_array_equal(found.groups, gamma.argmax(axis=1))
    np.testing.assert_allclose(found.confidence, gamma.max(axis=1), rtol=1e-5)
    some = evaluation.posterior(model, x[:50])
    found = evaluation.evaluate(model, build(x[:50], None, "x", "memory"), some)["gamma_entropy"]
    assert found == pytest.approx(stats.entropy(gamma[:50], axis=1).mean(), rel=1e-3)


def test_the_lowest_rows_do_not_depend_on_the_order(small_model, rng):
    """They are the rows of the lowest `log_density` in assignments.csv, wherever they stand."""
    model = small_model()
    x = rng.uniform(0.2, 0.8, size=(200, 12)).astype("f4")
    lowest = np.argsort(model.elbo(x).numpy())[: evaluation.LOWEST_ROWS]
    for order in (np.arange(200), rng.permutation(200)):
        data = build(x[order], None, "x", "memory")
        found = evaluation.posterior(model, data.x)
        np.testing.assert_allclose(found.log_density, model.elbo(x).numpy()[order], rtol=1e-5)
        assert order[evaluation.evaluate(model, data, found)["lowest_density_rows"]].tolist() == lowest.tolist()


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_whole_evaluation(small_model, rng, with_labels):
    """Codes at the corners of a square, one component a corner and one for nobody: the table can be written by hand."""
    shape = {"n_features": D, "latent_dim": LATENT, "hidden": ()}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 5, "gaussian")
    model.compile()
    model.encoder.get_layer("z_mean").set_weights([np.eye(D, LATENT), np.zeros(LATENT)])
    model.encoder.get_layer("z_log_var").set_weights([np.zeros((D, LATENT)), np.full(LATENT, -8)])
    corners = np.array([[0, 0], [9, 0], [0, 9], [9, 9], [900, 900]], "f4")
    model.prior.assign(np.array([1, 2, 3, 4, 5]) / 15, corners, np.ones((5, 2)))
    place = np.repeat(np.arange(4), [10, 20, 30, 40])
    x = np.concatenate([corners[place] + rng.normal(0, 0.1, (100, 2)), np.zeros((100, 3))], axis=1)
    x[7, :2] = [4.4, 0.0]  # the member of cluster 0 that is nearest to another
    x[99, 4] = 300.0  # an outlier
    y = place.copy()
    y[:2] = 3
    data = build(x, y if with_labels else None, "corners", "memory", "gaussian")
    found = evaluation.posterior(model, data.x)
    result = evaluation.evaluate(model, data, found)
    table = result["clusters"]
    assert [row["rows"] for row in table] == [10, 20, 30, 40, 0]
    assert [row["pi"] for row in table] == pytest.approx([k / 15 for k in range(1, 6)])
    assert table[0]["doubtful"][0]["row"] == 7
    assert 7 not in [row["row"] for row in table[0]["typical"]]
    assert {feature["name"] for feature in table[1]["features"]} >= {"x0", "x1"}
    assert result["lowest_density_rows"][0] == 99
    assert table[4]["confidence"] is None
    assert result["silhouette"] > 0.9
    assert result["elbo"] == pytest.approx(-result["distortion"] - result["rate_z"] - result["rate_c"])
    entropy = stats.entropy(np.exp(found.log_gamma), axis=1).mean()
    assert result["gamma_entropy"] == pytest.approx(entropy, abs=1e-6)
    if with_labels:
        assert sum(each["count"] * each["accuracy"] for each in result["calibration"]["bins"]) == pytest.approx(98)
    if with_labels:
        assert [row["label"] for row in table] == [0, 1, 2, 3, None]
        assert table[0]["purity"] == 0.8
        assert result["acc"] == result["purity"] == 0.98
    else:
        assert result["acc"] is result["calibration"] is table[0]["label"] is None
    json.dumps(result, allow_nan=False)


def test_one_cluster_has_no_silhouette(small_model, rng):
    model = small_model(n_clusters=1)
    data = build(rng.uniform(size=(20, 12)).astype("f4"), np.arange(20) % 2, "x", "memory")
    result = evaluation.evaluate(model, data, evaluation.posterior(model, data.x))
    assert result["silhouette"] is None
    assert (result["acc"], result["confidence"], result["gamma_entropy"]) == (0.5, 1.0, 0.0)
    json.dumps(result, allow_nan=False)


def test_the_surest_member_is_found_where_probabilities_round_to_one(rng):
    """GMVAE's rule takes the label of the member with the largest odds, which still differ there."""
    log_gamma = np.array([[0, -30], [0, -60], [0, -40], [-40, 0], [-50, 0]], "f4")
    found = evaluation.Assignments(rng.normal(size=(5, 2)), log_gamma)
    assert found.confidence.tolist() == [1.0] * 5
    data = build(rng.normal(size=(5, 3)), np.array([1, 0, 0, 1, 1]), "x", "memory")
    assert evaluation.evaluate(SimpleNamespace(), data, found)["most_confident_acc"] == 4 / 5
