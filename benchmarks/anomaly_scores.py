"""Scores of `anomaly.py`: functions from (training rows, rows, seed) to a number for each row, high for the unusual.

Rows are standardised on the training rows, float64 [n, D].
"""

from collections.abc import Callable

import numpy as np

COMPONENTS = 8  # of the Gaussian mixture and of VaDE
NEIGHBOURS = (5, 32)
REFERENCE = 3000  # training rows that the joined score compares a row with
DRAWS = 64  # of the importance-weighted bound


def iforest(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """scikit-learn's IsolationForest, 100 trees of 256 rows (its defaults, and pyod's)."""
    from sklearn.ensemble import IsolationForest

    return {"path length": -IsolationForest(random_state=seed).fit(train).score_samples(test)}


def knn(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Distance to the k-th nearest training row (pyod's KNN, method "largest").

    k = 5 is pyod's default and gives the published column of `normals_only`. That of `unsupervised` agrees with about
    32. That rows of small sets have about seven copies among the training rows may be why; it was not tested.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS[1], len(train))
    distances = NearestNeighbors(n_neighbors=k).fit(train).kneighbors(test)[0]
    return {f"distance {each}": distances[:, min(each, k) - 1] for each in NEIGHBOURS}


def pca(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """pyod's PCA: all components; sum of distances from a row to each eigenvector, over its share of the variance.

    A component whose share is below 1e-12 is left out: it would decide alone.
    """
    from scipy.spatial.distance import cdist
    from sklearn.decomposition import PCA

    found = PCA(random_state=seed).fit(train)
    kept = found.explained_variance_ratio_ > 1e-12
    weighted = cdist(test, found.components_[kept]) / found.explained_variance_ratio_[kept]
    return {"weighted distance": weighted.sum(axis=1)}


def gmm(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """scikit-learn's GaussianMixture: 8 components (fewer than rows / 4), full covariances, 1e-3 added to variances."""
    from sklearn.mixture import GaussianMixture

    k = max(1, min(COMPONENTS, len(train) // 4))
    return {"density": -GaussianMixture(k, reg_covar=1e-3, random_state=seed).fit(train).score_samples(test)}


def vade(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """VaDE with its defaults and a Gaussian likelihood on `asinh` of the columns: all of `SCORES` of one fit."""
    from vade_tf import VaDEClusterer

    train, test = asinh(train, train), asinh(train, test)
    fitted = VaDEClusterer(n_clusters=COMPONENTS, likelihood="gaussian", random_state=seed).fit(train)
    return {name: score(fitted, train, test) for name, score in SCORES.items()}


def blockwise(function: Callable, rows: np.ndarray) -> np.ndarray:
    """A function of rows, on blocks of them in float32."""
    blocks = np.array_split(rows.astype(np.float32), max(1, len(rows) // 4096))
    return np.concatenate([np.asarray(function(block)) for block in blocks])


def bound(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """-ELBO, nats."""
    return -blockwise(fitted.score_samples, test)


def importance_weighted(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """-log of the mean of p(x|z) p(z) / q(z|x) over `DRAWS` codes, nats (Burda et al., ICLR 2016)."""
    import tensorflow as tf

    from vade_tf.model import elbo

    model = fitted.model_
    noise = np.random.default_rng(0).standard_normal((DRAWS, model.prior.latent_dim)).astype(np.float32)

    @tf.function(reduce_retracing=True)
    def score(rows):
        m, log_s2 = model.encode(rows)
        log_pi, mu, log_sigma2 = model.prior.parameters

        def weight(each):
            z = m + tf.exp(0.5 * log_s2) * each
            prior = tf.reduce_logsumexp(log_pi + elbo.log_normal(z, mu, log_sigma2), axis=-1)
            posterior = -0.5 * tf.reduce_sum(each**2 + log_s2 + elbo.LOG_2PI, axis=-1)
            return prior - posterior - model.distortion(model.scale(rows), model.x_parameters(z))

        return np.log(DRAWS) - tf.reduce_logsumexp(tf.map_fn(weight, noise), axis=0)

    return blockwise(score, test)


def code_density(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """-log of the mixture's density at the mean code, nats."""
    import tensorflow as tf

    from vade_tf.model import elbo

    model = fitted.model_
    log_pi, mu, log_sigma2 = model.prior.parameters

    def score(rows):
        return -tf.reduce_logsumexp(log_pi + elbo.log_normal(model.encode(rows)[0], mu, log_sigma2), axis=-1)

    return blockwise(score, test)


def distortion(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """-log p(x|z) at the mean code, nats."""
    model = fitted.model_

    def score(rows):
        return model.distortion(model.scale(rows), model.x_parameters(model.encode(rows)[0]))

    return blockwise(score, test)


def full_bound(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Rate and half the squared Mahalanobis distance of the residual, nats: a full covariance of p(x|z)."""
    import tensorflow as tf

    model = fitted.model_
    half = np.random.default_rng(0).standard_normal((4, model.prior.latent_dim)).astype(np.float32)

    def rate(block):
        terms = [model.elbo_terms(block, noise[None, :]) for noise in np.concatenate([half, -half])]
        return tf.add_n([each["rate_z"] + each["rate_c"] for each in terms]) / len(terms)

    def residual(block):
        return model.scale(block) - model.decode(model.encode(block)[0])

    left = blockwise(residual, train).astype(np.float64)
    return blockwise(rate, test) + mahalanobis(left, blockwise(residual, test).astype(np.float64))


def joined(fitted, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Fisher's sum of -log p over three views of a row: its columns alone, all of them linearly, and VaDE's bound.

    p is the share of the training rows that are at least as unusual in that view.
    """
    train_rows = train[np.linspace(0, len(train) - 1, min(len(train), REFERENCE)).astype(int)]
    views = (
        (column_tails(train, train_rows), column_tails(train, test)),
        (mahalanobis(train, train_rows), mahalanobis(train, test)),
        (full_bound(fitted, train, train_rows), full_bound(fitted, train, test)),
    )
    return sum(surprise(reference, values) for reference, values in views)


def surprise(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    """-log of the share of reference values at least as large; beyond all of them it grows on, slowly: [n]."""
    ordered, n = np.sort(reference), len(reference)
    share = (n - np.searchsorted(ordered, values) + 0.5) / (n + 1)
    low, high = np.percentile(reference, [50, 90])
    return -np.log(share) + 1e-3 * np.arcsinh((values - low) / (high - low + 1e-9))


def column_tails(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sum over the columns of -log of the two-sided share of training values beyond: [n]."""
    found = np.zeros(len(rows))
    for column, values in zip(train.T, rows.T, strict=True):
        ordered, n = np.sort(column), len(column)
        below = (np.searchsorted(ordered, values, side="right") + 0.5) / (n + 1)
        above = (n - np.searchsorted(ordered, values, side="left") + 0.5) / (n + 1)
        found -= np.log(np.minimum(1.0, 2.0 * np.minimum(below, above)))
    return found


def asinh(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """asinh of columns centred at the median and over the quartiles' distance, standardised on the training rows."""
    low, median, high = np.percentile(train, [25, 50, 75], axis=0)
    scale, deviation = (high - low) / 1.349, train.std(axis=0)
    scale = np.where(scale > 1e-3 * deviation, scale, deviation) + 1e-9
    known, new = np.arcsinh((train - median) / scale), np.arcsinh((rows - median) / scale)
    return (new - known.mean(axis=0)) / (known.std(axis=0) + 1e-6)


def mahalanobis(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Half the squared Mahalanobis distance from the mean of the training rows, 1e-3 added to each variance: [n]."""
    inverse = np.linalg.inv(np.cov(train.T).reshape(train.shape[1], -1) + 1e-3 * np.eye(train.shape[1]))
    centred = rows - train.mean(axis=0)
    return 0.5 * np.einsum("nd,nd->n", centred @ inverse, centred)


SCORES: dict[str, Callable] = {
    "bound": bound,
    "importance-weighted bound": importance_weighted,
    "code density": code_density,
    "distortion": distortion,
    "bound, full residuals": full_bound,
    "joined": joined,
}
SYSTEMS: dict[str, Callable[[np.ndarray, np.ndarray, int], dict[str, np.ndarray]]] = {
    "iforest": iforest,
    "knn": knn,
    "pca": pca,
    "gmm": gmm,
    "vade": vade,
}
