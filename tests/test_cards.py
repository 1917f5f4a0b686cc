"""Cards of clusters: effect sizes against pandas, their order and units, typical and doubtful rows, and the HTML."""

import base64
import io
import json
import re
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pandas
import pytest
import scipy.sparse
import tensorflow as tf
from scipy import stats
from test_report import Outline

from vade_tf.data.observing import build
from vade_tf.report import card_page, cards, colours, contrast, figures
from vade_tf.report.image_figures import card_images
from vade_tf.training.posterior import Assignments

HOSTILE = "</td><script>alert('x')</script><img src=x onerror=alert(1)>\"&amp;"


def oracle(frame, groups, c):
    """Standardised differences of the means of one cluster and of all other rows, by pandas."""
    inside, outside = frame[groups == c].mean(), frame[groups != c].mean()
    return inside, outside, (inside - outside) / frame.std(ddof=0)


def found_of(groups, confidence=None, m=None):
    """Assignments of two to many clusters: the given confidence for the group, the rest shared by the others."""
    n, k = len(groups), groups.max() + 1
    confidence = np.full(n, 0.9) if confidence is None else confidence
    gamma = np.repeat((1 - confidence)[:, None] / (k - 1), k, axis=1)
    gamma[np.arange(n), groups] = confidence
    return Assignments(np.zeros((n, 1)) if m is None else m, np.log(gamma))


def a_table(rng, n=300):
    """A table of every kind of column, and groups that some of them depend on."""
    groups = np.arange(n) % 3
    income = np.exp(rng.normal(10 + groups, 1.5))
    return groups, pandas.DataFrame(
        {
            "age": 40.0 + 10 * groups + rng.normal(0, 5, n),
            HOSTILE: rng.normal(groups == 1, 0.5),
            "income": income,
            "colour": np.where(rng.uniform(size=n) < 0.8, np.array(["red", "green", "blue"])[groups], "grey"),
            "member": np.where(rng.uniform(size=n) < 0.2 + 0.6 * (groups == 2), "yes", "no"),
            "joined": pandas.to_datetime("2020-01-01") + pandas.to_timedelta(groups * 100 + rng.integers(0, 9, n), "D"),
            "size": pandas.Categorical(
                np.array(["small", "medium", "large"])[(groups + (rng.uniform(size=n) < 0.1)) % 3],
                ["small", "medium", "large"],
                ordered=True,
            ),
        }
    )


@pytest.mark.parametrize("block", [2**20, 40])
@pytest.mark.parametrize("kind", ["dense", "sparse", "bytes"])
def test_effects_are_those_of_pandas(rng, monkeypatch, kind, block):
    monkeypatch.setattr(contrast, "BLOCK", block)  # so that there are many blocks
    groups = rng.integers(0, 3, 200)
    x = rng.poisson(1.0, (200, 6)) * rng.integers(1, 90, (200, 6))
    x[:, 5] = 7  # constant
    x[:, 4] = rng.uniform(size=200) < 0.2 + 0.3 * groups
    values = {"dense": x + 1e4 + 0.5, "sparse": scipy.sparse.csr_array(x * 1.0), "bytes": x.astype("u1")}[kind]
    data = build(values, None, "x", "memory", "gaussian")
    apart = contrast.contrast(data, groups, 4)  # nobody is in the last one
    frame = pandas.DataFrame(np.asarray(data.x), dtype=float)
    for c in range(3):
        inside, outside, effect = oracle(frame, groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-9)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-9)
        np.testing.assert_allclose(apart.effect[c, :5], effect[:5], rtol=1e-6, atol=1e-9)
    assert not apart.effect[:, 5].any()
    assert not apart.effect[3].any()
    assert apart.names == [f"x{j}" for j in range(6)]
    assert apart.kinds == ["number"] * 4 + ["number" if kind == "dense" else "share"] + ["number"]


@pytest.mark.parametrize("sparse", [False, True])
def test_missing_cells_count_nowhere(rng, sparse):
    groups = np.repeat([0, 1], 50)
    x = rng.normal(3, 1, (100, 4)).astype("f4")
    x[rng.uniform(size=x.shape) < 0.3] = np.nan
    x[:50, 3] = np.nan  # a cluster without a value
    frame = pandas.DataFrame(x, columns=list("abcd"))
    data = build(frame, None, "x", "memory")
    if sparse:  # as stored numbers
        data = build(scipy.sparse.csr_array(np.ones((100, 4))), None, "x", "memory")
        data.x.matrix.data[:] = x.ravel()
    apart = contrast.contrast(data, groups, 2)
    for c in range(2):
        inside, outside, effect = oracle(frame.astype(float), groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-6)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-6)
        np.testing.assert_allclose(apart.effect[c, :3], effect[:3], rtol=1e-5)
        assert apart.effect[c, 3] == 0


def test_telling_features_are_the_largest_differences_up_and_down():
    effect = np.array([[0.5, -3.0, 0.05, 2.0, -0.2, 0.7, 0.5, -0.09, 1.0]])
    apart = contrast.Contrast([""] * 9, ["number"] * 9, np.arange(9), effect, effect, effect)
    assert apart.telling(0, most=3).tolist() == [3, 8, 5, 1, 4]
    levels = replace(apart, column=np.array([0, 1, 2, 1, 4, 5, 6, 7, 8]))  # 1 and 3 are levels of one category
    assert levels.telling(0, most=3).tolist() == [8, 5, 0, 1, 4]


def test_a_table_is_shown_in_its_own_units(rng):
    groups, frame = a_table(rng)
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "colour"] = None
    data = replace(build(frame, groups, "people", "memory"), ids=np.array([f"p{i}" for i in range(len(frame))]))
    found = found_of(groups)
    table = cards.cards(SimpleNamespace(), data, found)
    json.dumps(table, allow_nan=False)
    for c, card in enumerate(table):
        mine = frame[groups == c]
        features = {feature["name"]: feature for feature in card["features"]}
        inside, outside, effect = oracle(frame[["age"]], groups, c)
        if c != 1:  # which lies in the middle
            got = features["age"]
            assert [got["inside"], got["outside"], got["effect"]] == pytest.approx(
                [inside.age, outside.age, effect.age], rel=1e-4
            )
        assert card["share"] == 1 / 3
        levels = [name for name in features if name.startswith("colour = ")]
        assert levels == [f"colour = {['red', 'green', 'blue'][c]}"]  # of the levels the one that tells most
        share = (frame.colour[groups == c] == levels[0][9:]).sum() / mine.colour.notna().sum()
        assert features[levels[0]]["inside"] == pytest.approx(share, rel=1e-4)
        for row in card["typical"] + card["doubtful"]:
            assert row["id"] == f"p{row['row']}"
            assert row["values"]
            for name, value in row["values"].items():
                cell = frame.iloc[row["row"]][name]
                if pandas.isna(cell):
                    assert value is None
                elif isinstance(value, float):
                    assert value == pytest.approx(cell, rel=1e-4)
                else:
                    assert value == (str(cell.date()) if name == "joined" else str(cell))
    first = {feature["name"]: feature for feature in table[0]["features"]}
    assert first["joined"]["inside"] < "2020-01-10" < first["joined"]["outside"]
    assert first["size"] | {"effect": 0} == {
        "name": "size", "kind": "rank", "effect": 0, "inside": "small", "outside": "medium"
    }  # fmt: skip
    last = {feature["name"]: feature for feature in table[2]["features"]}
    assert last["member = yes"]["inside"] == pytest.approx((frame.member[groups == 2] == "yes").mean(), rel=1e-4)
    assert last["member = yes"]["kind"] == "share"


def test_words_are_counted_by_the_rows_that_have_them():
    x = np.array([[2.0, 0, 3, 0], [5, 1, 0, 0], [0, 4, 0, 0.5], [0, 2, 0, 0], [0, 0, 0, 0]])
    groups = np.array([0, 0, 1, 1, 1])
    for values in (x, scipy.sparse.csr_array(x)):
        data = replace(build(values, None, "x", "memory"), words=("wheat", "bank", "grain", "rate"))
        apart = contrast.contrast(data, groups, 2)
        _, _, effect = oracle(pandas.DataFrame(x > 0, dtype=float), groups, 0)
        np.testing.assert_allclose(apart.effect[0], effect, rtol=1e-9)
        table = cards.cards(SimpleNamespace(), data, found_of(groups))
        wheat = table[0]["features"][0]
        assert [wheat[name] for name in ("name", "kind", "inside", "outside")] == ["wheat", "word", 1.0, 0.0]
        rows = {row["row"]: list(row["values"]) for card in table for row in card["typical"]}
        assert rows == {0: ["grain", "wheat"], 1: ["wheat", "bank"], 2: ["bank", "rate"], 3: ["bank"], 4: []}


def test_typical_rows_are_central_and_doubtful_ones_have_the_least_odds(small_model, rng):
    model = small_model()
    mu, sigma2 = rng.normal(size=(4, 3)), rng.uniform(0.2, 2, (4, 3))
    model.prior.assign(np.ones(4) / 4, mu, sigma2)
    m = rng.normal(size=(80, 3)).astype("f4")
    log_gamma = np.log(rng.dirichlet(np.ones(4), 80))
    found = Assignments(m, log_gamma)
    data = build(rng.uniform(size=(80, 12)).astype("f4"), np.arange(80) % 3, "x", "memory")
    table = cards.cards(model, data, found)
    for c, card in enumerate(table):
        inside = np.flatnonzero(found.groups == c)
        density = stats.multivariate_normal(mu[c], np.diag(sigma2[c])).logpdf(m[inside])
        assert [row["row"] for row in card["typical"]] == inside[np.argsort(-density)][:5].tolist()
        gamma = np.exp(log_gamma[inside])
        assert [row["row"] for row in card["doubtful"]] == inside[np.argsort(gamma.max(axis=1))][:5].tolist()
        assert card["confidence"] == pytest.approx(gamma.max(axis=1).mean())
        for row in card["doubtful"]:
            second = np.argsort(log_gamma[row["row"]])[-2]
            assert row["other"]["cluster"] == second
            assert row["other"]["confidence"] == pytest.approx(np.exp(log_gamma[row["row"], second]), rel=1e-5)
    other = cards.distances(SimpleNamespace(), found)  # of another system: from the mean of the members' codes
    for c in range(4):
        own = m[found.groups == c].astype(float)
        np.testing.assert_allclose(other[found.groups == c], ((own - own.mean(axis=0)) ** 2).sum(axis=1), rtol=1e-6)


def test_one_cluster_has_nothing_to_stand_apart_from(small_model, rng):
    data = build(rng.uniform(size=(9, 12)).astype("f4"), None, "x", "memory")
    found = Assignments(np.zeros((9, 3), "f4"), np.zeros((9, 1), "f4"))
    table = cards.cards(small_model(n_clusters=1), data, found)
    assert table[0]["features"] == []
    assert table[0]["typical"][0]["other"] is None
    assert table[0]["doubtful"] == []
    assert "No single feature sets it apart" in card_page.section(table, None)


def test_a_system_that_is_always_sure_has_no_doubtful_rows():
    groups = np.array([0, 0, 1, 1])
    with np.errstate(divide="ignore"):
        found = Assignments(np.zeros((4, 1)), np.log(np.eye(2)[groups]))  # k-means
    table = cards.cards(SimpleNamespace(), build(np.eye(4), None, "x", "memory"), found)
    assert [card["doubtful"] for card in table] == [[], []]
    text = card_page.section(table, None)
    assert "Typical rows" in text
    assert "Doubtful rows" not in text


def test_a_large_sparse_matrix_is_never_made_dense(rng):
    n, width, k = 30_000, 15_000, 20
    rows, columns = rng.integers(0, n, 400_000), rng.integers(0, width, 400_000)
    matrix = scipy.sparse.csr_array((np.ones(400_000, "f4"), (rows, columns)), shape=(n, width))
    data = replace(build(matrix, None, "x", "memory"), words=tuple(f"w{j}" for j in range(width)))
    groups = np.arange(n) % k
    tracemalloc.start()
    table = cards.cards(SimpleNamespace(), data, found_of(groups))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # dense it has 1.8 GB
    assert len(json.dumps(table)) < 60_000


def test_figures_of_a_large_sparse_matrix_make_no_dense_one(rng):
    n, width = 20_000, 6_000
    rows, columns = rng.integers(0, n, 200_000), rng.integers(0, width, 200_000)
    matrix = scipy.sparse.csr_array((np.ones(200_000, "f4"), (rows, columns)), shape=(n, width))
    data = build(matrix, None, "x", "memory")
    mixture = SimpleNamespace(parameters=(None, np.zeros((2, 3)), None))
    mixture.parameters = tuple(tf.constant(part) if part is not None else None for part in mixture.parameters)
    more = {"decode": lambda z: np.zeros((len(z), width)), "unscale": lambda x: x, "likelihood": None}
    model = SimpleNamespace(prior=mixture, **more)
    tracemalloc.start()
    figures.profiles(model, data, np.arange(2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # dense it has 480 MB, and in double precision with copies three times as much


def outline(text):
    return Outline(f"<html><body>{text}</body></html>")


def test_whatever_users_named_is_text(rng):
    groups, frame = a_table(rng)
    data = replace(build(frame, groups, "people", "memory"), ids=np.array([f"{HOSTILE}{i}" for i in range(len(frame))]))
    table = cards.cards(SimpleNamespace(), data, found_of(groups))
    assert any(feature["name"] == HOSTILE for feature in table[1]["features"])
    text = card_page.section(table, None) + card_page.health([HOSTILE], [HOSTILE], True)
    page = outline(text)
    assert not {"script", "img"} & set(page.tags)
    assert "<script>alert('x')</script>" in "".join(page.text)
    long = 1000 * "long"
    table[0]["features"][0]["name"] = long
    assert long[:59] + "\u2026" in card_page.section(table, None)
    assert long[:61] not in card_page.section(table, None)


def test_a_card_says_what_its_numbers_are(rng):
    groups, frame = a_table(rng)
    confidence = np.where(np.arange(300) == 9, 0.6, 0.9)
    data = build(frame, groups, "people", "memory")
    table = cards.cards(SimpleNamespace(), data, found_of(groups, confidence))
    text = card_page.section(table, None)
    parts = re.findall(r"<section.*?</section>", text, re.S)
    assert len(parts) == 3
    for c, (part, card) in enumerate(zip(parts, table, strict=True)):
        assert f'border-top-color:{colours.colour(c)}"' in part
        words = " ".join(outline(part).text)
        assert "100 rows (33.3 %)" in re.sub(r"\s+", " ", words)
        for feature in card["features"]:
            assert f"{feature['effect']:+.1f}" in words
        bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", part)
        for (left, width), feature in zip(bars, card["features"], strict=True):
            edge = float(left) if feature["effect"] > 0 else float(left) + float(width)
            assert edge == pytest.approx(50, abs=0.11)  # to the right of the middle where it is higher here
    assert "row 9 0.600 here, 0.200 in 1" in re.sub(r"\s+", " ", " ".join(outline(parts[0]).text))


def test_health_is_said_whatever_it_is():
    bad = card_page.health(["component 3 holds almost no rows; use clusters=2"], ["fit, epoch 3: started anew"], True)
    assert "A problem was found." in bad
    assert "component 3 holds almost no rows; use clusters=2" in bad
    assert "fit, epoch 3: started anew" in bad
    assert "2 problems were found." in card_page.health(["a", "b"], [], True)
    assert "No problem was found." in card_page.health([], [], True)
    unknown = card_page.health([], [], False)
    assert "Not checked." in unknown
    assert "No problem" not in unknown


def test_many_clusters_show_their_largest(rng):
    groups = np.concatenate([np.arange(30), np.arange(card_page.MOST)])  # the last six are smaller
    data = build(rng.normal(size=(len(groups), 3)), None, "x", "memory")
    found = found_of(groups)
    table = cards.cards(SimpleNamespace(), data, found)
    table.append({**table[0], "cluster": 30, "rows": 0, "share": 0.0, "confidence": None, "features": [],
                  "typical": [], "doubtful": []})  # fmt: skip
    text = card_page.section(table, None)
    assert re.findall(r"<h3><span[^>]*>(\d+)<", text) == [str(c) for c in range(card_page.MOST)]
    assert f"The {card_page.MOST} largest of 31 clusters." in text
    assert "No row is assigned to it." in card_page.section(table[-1:], None)


def test_images_show_the_mean_and_the_rows(rng):
    groups = np.array([0, 0, 0, 2, 2, 2, 2, 2, 2, 2])
    x = rng.integers(0, 256, (10, 2, 3)).astype("u1")
    x[0, 0, 0], x[3, 0, 0] = 0, 255  # the scale goes from the least to the largest value that is shown
    data = build(x, None, "x", "memory")
    found = found_of(groups, confidence=np.linspace(0.6, 0.95, 10))
    table = cards.cards(SimpleNamespace(), data, found)
    drawn = card_images(data, groups, table, range(10))
    assert drawn[1] == {}  # without a row
    read = {name: 255 * matplotlib.image.imread(io.BytesIO(png))[..., 0] for name, png in drawn[2].items()}
    np.testing.assert_allclose(read["mean"], x[3:].mean(axis=0), atol=1.5)
    for name in ("typical", "doubtful"):
        assert read[name].shape == (2, 5 * 4 - 1)
        for column, row in enumerate(table[2][name]):
            np.testing.assert_allclose(read[name][:, 4 * column : 4 * column + 3], x[row["row"]], atol=1.5)
    numbers = np.arange(10) * 3 + 7  # other rows stood between them
    assert card_images(data, groups, cards.cards(SimpleNamespace(), data, found, numbers), numbers) == drawn
    text = card_page.section(table, drawn)
    sources = [base64.b64decode(source.split(",")[1]) for source in outline(text).sources]
    assert sources == [png for sheet in drawn for png in sheet.values()]
    assert "sets it apart" not in text
