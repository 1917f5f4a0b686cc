"""Counts: the negative binomial against SciPy, its dispersion, what counts as counts, and a fit from end to end."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import tensorflow as tf

from vade_tf import Settings, VaDEClusterer, metrics
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import choice, networks
from vade_tf.model.counts import Counts, LogCounts, ZeroInflatedCounts, log_counts
from vade_tf.model.origins import Origins
from vade_tf.model.vade import VaDE
from vade_tf.training import build, feature_spaces, partitions, recipe


@pytest.fixture
def cells(rng):
    """Counts of 200 rows and 40 features in three groups, with sizes that differ tenfold: (x, y)."""
    y = np.arange(200) % 3
    shares = rng.dirichlet(np.full(40, 0.2), 3)
    mean = rng.uniform(30, 300, 200)[:, None] * shares[y]
    return rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype("f4"), y


def test_the_density_is_that_of_scipy(rng, cells):
    x, _ = cells
    out, r = rng.normal(size=x.shape).astype("f4"), rng.uniform(0.05, 3, 40).astype("f4")
    mean = x.sum(axis=1, keepdims=True) * scipy.special.softmax(out.astype("f8"), axis=1)
    expected = -scipy.stats.nbinom.logpmf(x, 1 / r, 1 / (1 + r * mean)).sum(axis=1)
    found = Counts().distortion(tf.constant(x), tf.constant(out), tf.constant(np.log(r)))
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_a_row_without_counts_has_density_one_and_a_finite_gradient():
    out = tf.Variable(tf.zeros((1, 5)))
    with tf.GradientTape() as tape:
        nats = Counts().distortion(tf.zeros((1, 5)), out)
    assert float(nats[0]) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(tape.gradient(nats, out)).all()


def test_the_mean_and_draws_are_of_the_median_size():
    kind = Counts(250.0)
    out = np.array([[0.0, 1.0, -2.0]], "f4")
    np.testing.assert_allclose(kind.mean(out), 250 * scipy.special.softmax(out, axis=1), rtol=1e-5)
    np.testing.assert_allclose(kind.distribution(tf.constant(out), 0.0).mean(), kind.mean(out), rtol=1e-4)


def test_the_dispersion_is_found_by_its_moments(rng):
    """Rows drawn with r = 0.5 and a known mean give about 0.5; Poisson rows 0."""
    shares = np.tile([0.1, 0.2, 0.3, 0.4], (20_000, 1))
    out = np.log(shares).astype("f4")
    drawn = rng.negative_binomial(2.0, 2.0 / (2.0 + 1000 * shares)).astype("f8")
    drawn *= 1000 / drawn.sum(axis=1, keepdims=True)  # to the size that the mean assumes
    found = Counts().variance(tf.constant(drawn.astype("f4")), tf.constant(out)).numpy()
    mean = 1000 * shares[0]
    np.testing.assert_allclose(found, ((drawn - mean) ** 2 - mean).mean(axis=0) / mean**2, rtol=1e-3)
    poisson = rng.multinomial(1000, shares[0], 20_000).astype("f4")
    assert Counts().variance(tf.constant(poisson), tf.constant(out)).numpy().max() < 1e-3


@pytest.mark.parametrize("kind", [Counts(), ZeroInflatedCounts()])
def test_the_dispersion_of_rare_poisson_features_is_0_in_the_mean_of_batches(kind, rng):
    """Each batch says more or less than 0; cut off there, the mean would be far above it."""
    mean = np.array([0.02, 0.2, 1.0, 98.78])
    out = np.log(mean / mean.sum()).astype("f4")
    out = np.concatenate([out, np.full(4, -30.0, "f4")])[: 4 * kind.outputs]
    found = []
    for _ in range(400):
        x = rng.multinomial(100, mean / mean.sum(), 256).astype("f4")
        found.append(kind.variance(tf.constant(x), tf.constant(np.tile(out, (256, 1)))).numpy()[:3])
    expected = -1 / 100  # a multinomial varies a little less than a Poisson
    error = np.std(found, axis=0) / 20
    assert (np.abs(np.mean(found, axis=0) - expected) < 5 * error).all()
    assert (np.maximum(found, 0).mean(axis=0) > 5 * error).all()


def test_the_encoder_reads_logarithms_of_rows_of_one_size(cells):
    x, _ = cells
    logs = np.log1p(x / x.sum(axis=1, keepdims=True) * 100)
    np.testing.assert_allclose(log_counts(x, 100.0), logs, rtol=1e-5)
    layer = LogCounts(100.0, logs.mean(axis=0), logs.std(axis=0) + 1e-9)
    np.testing.assert_allclose(np.asarray(layer(x)).std(axis=0)[x.any(axis=0)], 1, atol=1e-3)
    np.testing.assert_allclose(layer(7 * x), layer(x), atol=1e-4)  # how much there is in a row is not read
    np.testing.assert_array_equal(log_counts(np.zeros((1, 4), "f4"), 100.0), np.zeros((1, 4)))


def test_what_is_the_same_in_all_rows_is_read_as_0(rng):
    """Sums round: the variance of what does not vary may come out below 0, and its root as no number."""
    x = np.repeat(rng.integers(1, 90, (1, 60)), 211, axis=0).astype("f4")
    layer = build.first_layer(observe(x, "counts"), Counts(float(x[0].sum())))
    assert layer.std == [1.0] * 60
    np.testing.assert_allclose(layer(x), np.zeros((211, 60)), atol=1e-5)


NAMES = {
    "counts": lambda x: x,
    "counts as integers": lambda x: x.astype("i8"),
    "sparse counts": lambda x: scipy.sparse.csr_array(x),
    "words": lambda x: np.where(np.arange(8000).reshape(200, 40) == 7, 12, x > 9).astype("f4"),
}
OTHERS = {
    "grey values": lambda x: np.minimum(x, 16),
    "zeros and ones": lambda x: (x > 0).astype("f4"),
    "not whole": lambda x: x / 2,
    "below 0": lambda x: x - 1,
    "few features": lambda x: x[:, :10],
    "mostly there": lambda x: x + 1,
    "bytes": lambda x: np.minimum(x, 255).astype("u1"),
    "images": lambda x: x.reshape(200, 5, 8),
}


@pytest.mark.parametrize("form", NAMES.values(), ids=NAMES.keys())
def test_what_are_counts(cells, form):
    x = form(cells[0])
    found = choice.choose(observe(x, "auto" if scipy.sparse.issparse(x) else "counts"))
    assert found.name == "counts"
    assert found.size == np.median(np.asarray(x.sum(axis=1)))


@pytest.mark.parametrize("form", OTHERS.values(), ids=OTHERS.keys())
def test_what_are_none(cells, form):
    assert choice.choose(observe(form(cells[0]))).name != "counts"


def test_a_table_of_levels_and_answers_beside_a_number_is_none(rng):
    """Their columns are mostly 0, and the number is a long tail."""
    levels = {f"kind {i}": rng.choice(list("abcde"), 300) for i in range(10)}
    answers = {f"sign {i}": rng.random(300) < 0.2 for i in range(10)}
    table = pd.DataFrame({**levels, **answers, "age": rng.integers(18, 91, 300)})
    schema = Schema.infer(table, "X")
    found = observe(schema.encode(table, "X")[0], schema=schema)
    assert (found.x == 0).mean() > 0.5
    assert choice.choose(found).name == "mixed"


def test_counts_that_are_none_are_refused(cells):
    with pytest.raises(InputError, match="likelihood: counts expects whole numbers"):
        choice.choose(observe(cells[0] - 1, "counts"))
    with pytest.raises(InputError, match="likelihood: counts expects whole numbers"):
        choice.choose(observe(cells[0] / 2, "counts"))
    with pytest.raises(InputError, match="likelihood: counts expects whole numbers"):
        choice.choose(observe(pd.DataFrame(cells[0] / 2), "counts"))


@pytest.mark.parametrize("likelihood", ["counts", "zinb"])
def test_the_first_value_that_is_no_count_is_named(cells, likelihood, monkeypatch):
    monkeypatch.setattr(choice, "BLOCK", 32)
    x = cells[0].astype("f4")
    for value, said in ((0.5, "0.5"), (-3.0, "-3"), (np.nan, "a missing value")):
        wrong = x.copy()
        wrong[41, 7], wrong[50, 3] = value, 0.25
        named = pd.DataFrame(wrong).add_prefix("gene ")
        more = [] if np.isnan(value) else [(wrong, "7"), (scipy.sparse.csr_array(wrong), "7")]
        for rows, column in [*more, (named, "'gene 7'")]:
            with pytest.raises(InputError, match=f"from 0 up, got {said} at row 41, column {column}; give them as"):
                choice.choose(observe(rows, likelihood))
    with pytest.raises(InputError, match=r"got nan at row 41, column 7 .*; drop or impute such rows$"):
        observe(wrong, likelihood)


@pytest.mark.parametrize(("likelihood", "parameters"), [("counts", 1), ("zinb", 2)])
def test_counts_get_the_likelihood_that_is_asked_for_and_a_decoder_of_its_parameters(cells, likelihood, parameters):
    model = begun(cells[0], likelihood=likelihood).model
    assert model.likelihood.name == likelihood
    assert model.decoder.output_shape == (None, 40 * parameters)


def test_new_counts_below_0_are_refused_though_they_are_whole():
    with pytest.raises(InputError, match="^x: expected counts, whole numbers from 0 up, .* from -2 to 3"):
        Counts(9.0).check_units(np.array([[3.0, -2.0]]), -2.0, 3.0, None, "x")


def test_a_fit_finds_the_groups_and_gives_counts_back(cells):
    x, y = cells
    small = {"latent_dim": 3, "hidden": (24,), "pretrain_epochs": 30, "epochs": 30, "precision": "float32"}
    model = VaDEClusterer(3, likelihood="counts", random_state=0, batch_size=64, **small).fit(x)
    assert model.model_.likelihood.name == "counts"
    assert metrics.accuracy(y, model.labels_) > 0.95
    drawn, cluster = model.sample(90, random_state=0)
    np.testing.assert_allclose(drawn.sum(axis=1), np.median(x.sum(axis=1)), rtol=1e-4)
    assert metrics.accuracy(cluster, model.predict(np.round(drawn))) > 0.9
    with pytest.raises(ValueError, match="X: expected counts, whole numbers from 0 up"):
        model.predict(x / 2)


def test_a_saved_model_has_its_size_and_its_first_layer(cells, tmp_path):
    x, _ = cells
    first = LogCounts(90.0, np.zeros(40), np.ones(40))
    model = VaDE(networks.build_encoder(40, 2, (8,), first=first), networks.build_decoder(40, 2, (8,)), 2, Counts(90.0))
    model.set_variance(np.full(40, 0.3))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.likelihood.size == 90.0
    np.testing.assert_array_equal(again.elbo(x), model.elbo(x))


EXTREME = np.array([0, 1, 3, 777, 1e5], "f4")


@pytest.mark.parametrize("log_r", [np.log(0.01), 0.0, np.log(50)])
def test_extreme_counts_and_shares_have_the_density_of_scipy_in_float32(log_r):
    """Shares down to 1e-9 of a row, counts up to 1e5, dispersions from the least that is kept to 50."""
    out = np.array([0, -20, -8, 2, 5], "f4")
    for x in (EXTREME, EXTREME[::-1]):
        mean = x.sum() * scipy.special.softmax(out.astype("f8")) + 1e-8
        r = np.exp(log_r)
        expected = -scipy.stats.nbinom.logpmf(x, 1 / r, 1 / (1 + r * mean)).sum()
        dispersion = tf.fill([5], np.float32(log_r))
        found = Counts().distortion(tf.constant(x[None]), tf.constant(out[None]), dispersion)
        np.testing.assert_allclose(found, [expected], rtol=1e-3)
        phi = np.array([-30, -3, 0, 3, 30], "f4")
        share, nb = scipy.special.expit(phi.astype("f8")), scipy.stats.nbinom.pmf(x, 1 / r, 1 / (1 + r * mean))
        with np.errstate(divide="ignore"):
            log_nb = scipy.special.log_expit(-phi.astype("f8")) + scipy.stats.nbinom.logpmf(
                x, 1 / r, 1 / (1 + r * mean)
            )
            expected = -np.where(x == 0, np.log(share + (1 - share) * nb), log_nb).sum()
        both = tf.Variable(np.concatenate([out, phi])[None])
        with tf.GradientTape() as tape:
            found = ZeroInflatedCounts().distortion(tf.constant(x[None]), both, dispersion)
        np.testing.assert_allclose(found, [expected], rtol=1e-3)
        assert np.isfinite(tape.gradient(found, both)).all()


def test_zero_inflated_draws_have_its_mean_and_its_dispersion(rng):
    """Rows drawn with phi = 0.3 and r = 0.5 around known means give these moments."""
    shares, phi, r, size, n = np.array([0.1, 0.2, 0.3, 0.4]), 0.3, 0.5, 1000.0, 200_000
    kept = rng.uniform(size=(n, 4)) > phi
    mean = size * shares
    drawn = (kept * rng.negative_binomial(1 / r, 1 / (1 + r * mean), (n, 4))).astype("f4")
    parameters = np.concatenate([np.log(shares), np.full(4, np.log(phi / (1 - phi)))]).astype("f4")[None]
    kind = ZeroInflatedCounts(size)
    np.testing.assert_allclose(kind.mean(parameters)[0], drawn.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(
        kind.distribution(tf.constant(parameters), np.float32(np.log(r))).mean(), kind.mean(parameters), rtol=1e-4
    )
    fixed = ZeroInflatedCounts(size)
    sized = np.concatenate([drawn, np.full((n, 1), 0, "f4")], axis=1)
    sized[:, 4] = 10_000 - drawn.sum(axis=1)  # a feature that brings every row to one size
    out = np.concatenate([mean / 10_000, [1 - mean.sum() / 10_000], np.zeros(5)])
    out = np.concatenate([np.log(out[:5]), np.full(4, np.log(phi / (1 - phi))), [-30.0]]).astype("f4")
    found = fixed.variance(tf.constant(sized), tf.constant(np.repeat(out[None], n, axis=0))).numpy()
    np.testing.assert_allclose(found[:4], r, rtol=0.05)


@pytest.mark.long
def test_a_zero_inflated_fit_is_saved_and_found_again(cells, tmp_path):
    x, y = cells
    small = {"latent_dim": 3, "hidden": (24,), "pretrain_epochs": 60, "epochs": 60, "precision": "float32"}
    model = VaDEClusterer(3, likelihood="zinb", random_state=0, batch_size=64, **small).fit(x)
    assert metrics.accuracy(y, model.labels_) > 0.95
    assert model.model_.decoder.output_shape == (None, 80)
    assert model.inverse_transform(model.transform(x[:5])).shape == (5, 40)
    model.save(tmp_path / "m.vade")
    np.testing.assert_array_equal(VaDEClusterer.load(tmp_path / "m.vade").score_samples(x), model.score_samples(x))
    with pytest.raises(ValueError, match="decoder: expected one output of 80 values a row, 2 times"):
        VaDE(networks.build_encoder(40, 2, (8,)), networks.build_decoder(40, 2, (8,)), 2, ZeroInflatedCounts())


# ------------------------------------------------------------------------------------------------- the start


def begun(x, **more):
    settings = {"clusters": 3, "hidden": (8,), "epochs": 2, "precision": "float32", "likelihood": "counts"}
    return recipe.begin(x, Settings(**settings | more))


def test_a_start_reads_principal_directions_of_logs_in_which_rare_genes_count_less(cells):
    """Log counts of variance 1, cut off, times the root of their standard deviation; 40 directions are all of 40."""
    x, _ = cells
    x[3] = np.where(np.arange(40) == 39, 10_000, 0)  # one cell that is all of one gene: far out
    logs = np.log1p(x / np.maximum(x.sum(axis=1, keepdims=True), 1) * np.median(x.sum(axis=1)))
    std = logs.std(axis=0)
    cut = np.clip((logs - logs.mean(axis=0)) / np.where(std < 1e-6, 1, std), -10, 10)
    assert (cut == 10).any()
    scaled = (cut - cut.mean(axis=0)) * np.sqrt(std)
    for rows in (x, scipy.sparse.csr_array(x)):
        fitting = begun(rows)
        assert partitions.rule(fitting) == ("directions", "kmeans")
        (found,) = feature_spaces.count_directions(fitting.model, fitting.data.x)(fitting.data.x)
        np.testing.assert_allclose(found @ found.T, scaled @ scaled.T, atol=0.02)
        assert np.all(np.diff(found.var(axis=0)) < 1e-4)  # the leading ones first
        assert not partitions.found_on_code(fitting)  # nor is P found anew
    assert partitions.rule(begun(x, init="kmeans")) == ("code", "kmeans")


def test_leading_directions_are_found_on_some_of_the_rows(cells, monkeypatch):
    model, x = begun(cells[0]).model, cells[0]
    (whole,) = feature_spaces.count_directions(model, x)(x)
    monkeypatch.setattr(feature_spaces, "SAMPLE_ROWS", 100)
    monkeypatch.setattr(feature_spaces, "COUNT_DIRECTIONS", 2)
    (found,) = feature_spaces.count_directions(model, x)(x)
    assert found.shape == (200, 2)
    assert abs(np.corrcoef(found[:, 0], whole[:, 0])[0, 1]) > 0.9


@pytest.mark.parametrize(
    ("reader", "solver", "width"),
    [(feature_spaces.count_directions, "randomized_svd", 40), (feature_spaces.code, "_leading_directions", 8)],
)
def test_directions_of_many_numbers_are_found_on_fewer_rows(cells, monkeypatch, reader, solver, width):
    """Of rows that are counts, and of a last hidden layer."""
    seen, own = set(), getattr(feature_spaces, solver)

    def noted(sample, *more, **settings):
        seen.add(sample.shape)
        return own(sample, *more, **settings)

    monkeypatch.setattr(feature_spaces, solver, noted)
    monkeypatch.setattr(feature_spaces, "MAX_NUMBERS_SAMPLED", 80 * width)
    reader(begun(cells[0]).model, cells[0])
    assert seen == {(80, width)}


def test_counts_of_any_size_are_read_as_they_are_in_half_precision():
    """The first layer, of float32, takes their logarithms; cut off before it, a row would consist of something else."""
    first = LogCounts(100.0, np.zeros(6), np.ones(6))
    encoder = networks.build_encoder(6, 2, (16,), "mixed_float16", first=first)
    model = VaDE(encoder, networks.build_decoder(6, 2, (16,), "mixed_float16"), 2, Counts(100.0))
    x = np.array([[50_000, 900, 30, 4, 0, 1], [20, 3000, 0, 70_000, 5, 2]], "f4")
    np.testing.assert_allclose(model.encode(x)[0], encoder(x)[0], rtol=1e-5, atol=1e-6)


def test_counts_are_read_in_float32_whatever_the_policy_of_all_layers_is():
    """A count beyond 65,504 is none in half precision. So are offsets, which are added up over an epoch."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        read, origins = LogCounts(1e5, np.zeros(2), np.ones(2)), Origins(2, 3)
        found = read(np.array([[200_000, 100_000]], "f4"))
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(found, np.log1p([[2e5 / 3, 1e5 / 3]]), rtol=1e-5)
    assert origins.compute_dtype == "float32"


@pytest.mark.parametrize("size", [0, -1, np.inf, np.nan])
def test_a_row_adds_up_to_a_number_above_0(size):
    with pytest.raises(ValueError, match="a size of"):
        Counts(size)
