"""The start of embeddings: directions above noise, averages of nearest rows, P."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import cosine_similarity

from vade_tf.training import embeddings


def noisy(n: int, d: int, k: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Groups on a sphere with isotropic noise: rows float16 [n, d] of length 1, groups int [n]."""
    random = np.random.default_rng(seed)
    centres = embeddings.of_length_one(random.normal(size=(k, d)))
    y = random.integers(k, size=n)
    return embeddings.of_length_one(centres[y] + noise * random.normal(size=(n, d)) / d**0.5).astype(np.float16), y


@pytest.mark.parametrize("shape", [(3000, 384), (200, 600)])
def test_directions_of_noise_alone_are_none_and_those_of_signals_are_counted(shape, rng):
    noise = rng.normal(size=shape)
    signals = 3 * rng.normal(size=(shape[0], 12)) @ np.linalg.qr(rng.normal(size=(shape[1], 12)))[0].T
    for rows, n in ((noise, 0), (noise + 4 * signals, 12)):
        eigenvalues = np.linalg.svd(0.3 * rows, compute_uv=False) ** 2
        assert abs(embeddings.above_noise(eigenvalues, shape) - n) <= 1


@pytest.mark.parametrize(("n_clusters", "n"), [(1, 10), (40, 39), (200, 100)])
def test_there_are_directions_for_the_centres_of_all_clusters(n_clusters, n, rng):
    noise = rng.normal(size=(600, 150))
    assert embeddings.principal_directions(noise, 0, n_clusters)(noise).shape == (600, n)


@pytest.mark.parametrize("shape", [(400, 60), (40, 90)])
def test_coordinates_are_those_of_principal_component_analysis(shape, rng):
    """Up to signs; also of rows that the directions were not found on."""
    x, others = rng.normal(size=shape), rng.normal(size=(5, shape[1]))
    read = embeddings.principal_directions(x, 0, n=12)
    unit = [embeddings.of_length_one(rows) for rows in (x, others)]
    axes = np.linalg.svd(unit[0] - unit[0].mean(axis=0))[2][:12]
    for rows, own in zip((x, others), unit, strict=True):
        expected = (own - unit[0].mean(axis=0)) @ axes.T
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(read(rows) @ read(rows).T, expected @ expected.T, atol=2e-4)


def test_neighbours_averages_and_shares_are_those_of_their_definitions(rng):
    z = embeddings.of_length_one(rng.normal(size=(60, 8)))
    near = embeddings.neighbourhood(z, 25, 2)
    similar = cosine_similarity(z) - 9 * np.eye(60)
    np.testing.assert_array_equal(near.neighbours, np.argsort(-similar, axis=1)[:, :25])
    mean = np.eye(60)
    for row, own in enumerate(near.neighbours):
        mean[row, own] = 1
    expected = np.linalg.matrix_power(mean / 26, 2) @ z
    np.testing.assert_allclose(
        near.averaged, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )
    labels = rng.integers(4, size=60)
    P = embeddings.shares(labels, near.neighbours, 4)
    expected = [np.bincount(labels[own[:20]], minlength=4) / 20 for own in near.neighbours]
    np.testing.assert_allclose(P, expected, rtol=1e-6)


@pytest.mark.parametrize("draw", range(2))
def test_groups_in_strong_noise_are_found_nearly_as_well_as_by_k_means(draw):
    """Where k-means is right, its rows' nearest rows are mostly of other groups: directions of noise are left out."""
    x, y = noisy(3000, 384, 12, 5.0, draw)
    P = embeddings.partition(embeddings.principal_directions(x, 0)(x), 12, 0)
    best = adjusted_rand_score(y, KMeans(12, n_init=10, random_state=0).fit_predict(x.astype(np.float32)))
    assert adjusted_rand_score(y, P.argmax(axis=1)) > max(0.85, best - 0.05)


def test_a_start_is_the_same_each_time_and_few_rows_have_few_neighbours():
    x = noisy(12, 20, 3, 0.3)[0]
    near, again = (embeddings.neighbourhood(embeddings.principal_directions(x, 0)(x)) for _ in range(2))
    for one, other in zip(near, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert near.neighbours.shape == (12, 11)
    np.testing.assert_allclose(embeddings.shares(np.zeros(12, int), near.neighbours, 1), 1)
