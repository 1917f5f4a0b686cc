"""Signals, findings and new starts by hand, where `test_health` has their laws; which rows are looked at."""

import numpy as np
import pytest
from scipy import stats

from vade_tf.data import pipeline
from vade_tf.training import health
from vade_tf.training.watch import Watch


def signals(k=3, **more):
    """Those of a mixture in good use."""
    good = {
        "share": np.full(k, 1 / k),
        "entropy": 0.1,
        "distance": 10 - 10 * np.eye(k),
        "activity": np.ones(4),
    }
    return health.Signals(**{**good, **more})


def found(**more):
    return {each.kind: each for each in health.findings(signals(**more))}


def test_signals_by_hand():
    """Two rows, two components, one dimension: q(z|x) = N(0, 1) and N(2, 3), gamma (1, 0) and (1/2, 1/2)."""
    with np.errstate(divide="ignore"):
        log_gamma = np.log([[1.0, 0.0], [0.5, 0.5]])
    got = health.signals(
        *health.summed(log_gamma), [[0.0], [2.0]], np.log([[1.0], [3.0]]), [[0.0], [2.0]], [[0.0], [0.0]]
    )
    np.testing.assert_allclose(got.share, [0.75, 0.25])
    assert got.entropy == pytest.approx(np.log(2) / 2)
    np.testing.assert_allclose(got.activity, [1 / (1 + 2)])  # variance of the mean 1, mean variance 2
    np.testing.assert_allclose(got.distance, [[0, 0.5], [0.5, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("distance", "modes"), [(0.5, None), (0.4999, "use clusters=2"), (0.0, "use clusters=2"), (0.51, None), (1.2, None)]
)
def test_two_standard_deviations_apart_are_two_modes(distance, modes):
    apart = 10 - 10 * np.eye(3)
    apart[0, 2] = apart[2, 0] = distance
    finding = found(distance=apart).get("one_mode")
    assert (finding is not None) == (modes is not None)
    if finding is not None:
        assert finding.text.startswith("components 0, 2 overlap; ")
        assert modes in finding.text


def test_overlap_goes_through_a_chain_and_not_through_unused_components():
    apart = np.array([[0, 0.3, 9, 9], [0.3, 0, 0.3, 9], [9, 0.3, 0, 9], [9, 9, 9, 0]])
    assert found(k=4, distance=apart)["one_mode"].text.startswith("components 0, 1, 2 overlap; ")
    without = found(k=4, distance=apart, share=np.array([0.5, 0.0, 0.25, 0.25]))
    assert "one_mode" not in without
    assert without["empty"].text.startswith("component 1 of 4 holds almost no rows; ")


@pytest.mark.parametrize(("share", "used"), [(0.02 / 4, True), (0.0199 / 4, False), (0.0201 / 4, True), (0.0, False)])
def test_a_fiftieth_of_an_even_share_is_used(share, used):
    others = (1 - share) / 3
    got = signals(k=4, share=np.array([others, share, others, others]))
    assert got.used.tolist() == [True, used, True, True]


@pytest.mark.parametrize(
    ("activity", "units", "fault"),
    [([1, 1, 1, 1], 4, False), ([1, 1, 0.01, 0.0], 2, False), ([1, 0.0101, 0, 0], 2, False), ([1, 0.01, 0, 0], 1, True),
     ([0, 0, 0, 0], 0, True)],
)  # fmt: skip
def test_half_of_the_code_has_to_tell_rows_apart(activity, units, fault):
    got = signals(activity=np.array(activity, float))
    assert got.active_units == units
    assert ("inactive" in found(activity=got.activity)) == fault
    if fault:
        assert f"the code uses {units} of its 4 dimensions" in found(activity=got.activity)["inactive"].text


@pytest.mark.parametrize(("entropy", "fault"), [(0.91, True), (0.9, True), (0.89, False)])
def test_nine_tenths_of_the_entropy_of_the_mean_tell_nothing(entropy, fault):
    share = np.array([0.5, 0.3, 0.2])
    most = stats.entropy(share)
    findings = found(share=share, entropy=entropy * most)
    assert ("uniform" in findings) == fault
    if fault:
        assert f"at most {most:.2f} nats" in findings["uniform"].text
    assert "uniform" not in found(k=1, share=np.ones(1), entropy=0.0, distance=np.zeros((1, 1)))


def test_at_most_five_components_are_named():
    unused = np.concatenate([np.zeros(7), [0.5, 0.5]])
    assert found(k=9, share=unused)["empty"].text.startswith("components 0, 1, 2, 3, 4 and 2 more of 9 hold almost no")
    unused[6:] = 0.5, 0.3, 0.2
    assert found(k=9, share=unused)["empty"].text.startswith("components 0, 1, 2, 3, 4 and 1 more of 9 hold almost no")
    unused[5:] = 0.3, 0.3, 0.2, 0.2
    assert found(k=9, share=unused)["empty"].text.startswith("components 0, 1, 2, 3, 4 of 9 hold almost no rows")
    unused[1:] = 1 / 8
    finding = found(k=9, share=unused)["empty"]
    assert finding.text.startswith("component 0 of 9 holds almost no rows; use clusters=8 if so few are enough")


def test_where_one_component_is_left_no_smaller_k_is_advised():
    text = found(k=3, share=np.array([1.0, 0.0, 0.0]))["empty"].text
    assert "clusters=" not in text
    assert "pretrain longer" in text


def test_a_new_start_takes_the_worst_row_and_its_nearest_neighbours():
    """Two components of eight rows: half an even share is two rows. The worst is row 5, its nearest row 2."""
    m = np.array([[0.0, 0], [1, 0], [10, 3], [1, 1], [0, 1], [10, 1], [-9, 9], [-9, 8]])
    s2, misfit = np.full((8, 2), 0.5), np.array([1.0, 2, 3, 1, 1, 9, 8, 7])
    mixture = np.array([0.9, 0.1]), np.zeros((2, 2)), np.ones((2, 2))
    pi, mu, sigma2 = health.reseed([1], *mixture, m, s2, misfit)
    np.testing.assert_allclose(mu, [[0, 0], [10, 2]])
    np.testing.assert_allclose(sigma2, [[1, 1], [0.5, 1.5]])
    np.testing.assert_allclose(pi, [0.75, 0.25])
    pi, mu, _ = health.reseed([1, 0], *mixture, m, s2, misfit)  # the second goes to the worst row that is left
    np.testing.assert_allclose(mu, [[-9, 8.5], [10, 2]])
    np.testing.assert_allclose(pi, [0.5, 0.5])


def test_there_are_no_more_new_starts_than_rows_for_them():
    m, ones = np.arange(5.0)[:, None], np.ones((3, 1))
    pi, mu, _ = health.reseed([0, 1, 2], np.full(3, 1 / 3), -ones, ones, m, np.ones((5, 1)), np.arange(5.0))
    np.testing.assert_allclose(mu, [[3.5], [1.5], [-1]])  # two rows each, and the fifth row for nobody
    np.testing.assert_allclose(pi, [0.4, 0.4, 0.2])


class Rows:
    """So many rows of nothing: tells which were asked for."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, rows):
        return rows


@pytest.mark.parametrize(
    ("n", "k", "looked_at"), [(300, 3, 300), (9000, 3, 5000), (9000, 150, 7500), (9000, 300, 9000)]
)
def test_a_subset_of_the_rows_is_looked_at(n, k, looked_at):
    """In their order, each once, others for another seed."""
    rows = Watch(Rows(n), k, 1).x
    assert len(rows) == looked_at
    assert np.all(np.diff(rows) > 0)
    assert rows.min() >= 0
    assert rows.max() < n
    np.testing.assert_array_equal(rows, Watch(Rows(n), k, 1).x)
    assert np.array_equal(rows, Watch(Rows(n), k, 2).x) == (looked_at == n)


@pytest.fixture
def emptied(small_model, rng):
    """A model that is not guided, one of whose components is out of reach, and rows."""
    model = small_model()
    model.guide_weight.assign(0.0)
    model.prior.mu.assign(np.where(np.arange(4)[:, None] == 1, 1e3, model.prior.mu.numpy()))
    return model, rng.uniform(size=(60, 12)).astype("f4")


def test_the_signals_are_those_of_the_model_read_in_batches(emptied, monkeypatch):
    monkeypatch.setattr(pipeline, "blocks", lambda rows, size, blocks=pipeline.blocks: blocks(rows, 7))
    model, x = emptied
    m, log_s2 = (part.numpy() for part in model.encode(x))
    _, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
    got, want = (
        Watch(x, 4, 0).look(model),
        health.signals(*health.summed(model.prior(m, log_s2)), m, log_s2, mu, log_sigma2),
    )
    for name in ("share", "entropy", "distance", "activity"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-4, atol=1e-6)
    columns = Watch(x, 4, 0).after_epoch(model, [], True, lambda text: None)
    assert columns == {
        "gamma_entropy": pytest.approx(want.entropy, rel=1e-4),
        "components_used": int(want.used.sum()),
        "active_units": want.active_units,
    }


def test_a_new_start_goes_to_the_rows_of_the_lowest_bound(emptied, monkeypatch):
    """Against the reseeding of the arrays, with the bound at z = m by the model's own terms."""
    model, x = emptied
    model.prior.assign([0.1, 0.2, 0.3, 0.4], model.prior.mu.numpy(), np.linspace(0.2, 3, 12).reshape(4, 3))
    monkeypatch.setattr(pipeline, "blocks", lambda rows, size, blocks=pipeline.blocks: blocks(rows, 7))
    terms = model.elbo_terms(x, np.zeros((60, 3), "f4"))
    misfit = sum(terms[name].numpy() for name in ("distortion", "rate_z", "rate_c"))
    m, log_s2 = (part.numpy() for part in model.encode(x))
    log_pi, mu, log_sigma2 = (part.numpy().astype("f8") for part in model.prior.parameters)
    want = health.reseed([1], np.exp(log_pi), mu, np.exp(log_sigma2), m, np.exp(log_s2), misfit)
    Watch(x, 4, 0)._reseed(model, [1])
    log_pi, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
    for got, expected in zip((np.exp(log_pi), mu, np.exp(log_sigma2)), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_a_warning_is_said_once_and_not_of_what_is_just_being_mended(emptied):
    model, x = emptied
    said, watch = [], Watch(x, 4, 0)
    watch.after_epoch(model, [], True, said.append)
    assert sum("almost no rows" in text for text in said) == 1
    watch.after_epoch(model, [], True, said.append)
    assert len(said) == len(set(said))
    assert all(text.startswith("warning: ") for text in said)
    mending, watch = [], Watch(x, 4, 0)
    columns = watch.after_epoch(model, [{"reseeded": "0"}, {}, {"reseeded": "2 3"}], False, mending.append)
    assert columns["reseeded"] == "1"
    assert mending == [text for text in said if "almost no rows" not in text]


def test_remedies_are_told_by_phase_and_epoch():
    rows = [
        {"phase": "pretrain", "epoch": 1},
        {"phase": "pretrain", "epoch": 2, "restored_epoch": 1},
        {"phase": "fit", "epoch": 3, "reseeded": "0 2"},
        {"phase": "fit", "epoch": 4, "reseeded": "1"},
    ]
    assert health.remedies(rows) == [
        "pretrain, epoch 2: the loss was not finite; back to the weights of epoch 1, at half the learning rate",
        "fit, epoch 3: components 0, 2 held almost no rows; re-initialised at the rows with the lowest likelihood",
        "fit, epoch 4: component 1 held almost no rows; re-initialised at the rows with the lowest likelihood",
    ]


def test_a_component_of_a_tenth_of_its_share_is_seen_among_many():
    """Of 300 components such a one has 20 of 60,000 rows."""
    looked = Watch(np.zeros((60_000, 1), "f4"), 300, 0)
    assert len(looked.x) == 15_000
