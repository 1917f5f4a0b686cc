"""Further autoencoders of texts and few images: who has them, what they read, that they vote, and a harmless pause."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from vade_tf.data.observing import observe
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError
from vade_tf.training import further, recipe, regions
from vade_tf.training import groups as finding
from vade_tf.training.landmark_starts import DRAWS, landmark
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

TOPICS = np.arange(120) % 3
SHORT = {"clusters": 3, "hidden": (16, 8), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "precision": "float32"}
pytestmark = pytest.mark.usefixtures("eager_file")


@pytest.fixture
def texts(rng):
    """Weights of 40 words in 120 texts of three topics, each of length 1, sparse."""
    rate = np.full((3, 40), 0.3)
    for topic in range(3):
        rate[topic, 4 * topic : 4 * topic + 4] = 3.0
    return scipy.sparse.csr_array(normalize(rng.poisson(rate[TOPICS]) + np.eye(40)[np.arange(120) % 40]))


def begun(x, store=None, reporter=None, **more):
    """A fit whose own autoencoder is not trained, as nobody asks what it says."""
    return recipe.begin(x, Settings(**{**SHORT, **more}), store=store, reporter=reporter)


def pretrained(x, **more):
    fitting = begun(x, **more)
    recipe.pretrain(fitting)
    return fitting


class Listens(Silent):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_few_texts_have_them_and_other_rows_do_not(texts, monkeypatch):
    assert further.wanted(begun(texts), "init")
    assert further.wanted(begun(texts.toarray()), "regroup")
    for other in (texts * 2 + texts.max(axis=1).toarray()[:, None] * 0.1 + 1, texts.toarray() > 0, -texts.toarray()):
        x = np.asarray(other.toarray() if scipy.sparse.issparse(other) else other, "f4")
        assert not further.wanted(begun(x), "init")
    untrained = begun(texts, pretrain_epochs=0)  # whose codes would be those of random weights
    assert not further.wanted(untrained, "init")
    assert not further.wanted(untrained, "regroup")
    monkeypatch.setattr(further, "MOST_ROWS", 119)
    assert not further.wanted(begun(texts), "init")


@pytest.mark.parametrize(
    ("side", "asked", "rows", "wanted"),
    [
        (8, {}, 60, True),
        (8, {"pretrain_epochs": 0}, 60, False),
        (8, {}, 59, False),
        (28, {}, 60, False),
        (8, {"network": "conv"}, 60, False),
    ],
)
def test_few_images_have_them_at_their_start_where_dense_networks_read_them(side, asked, rows, wanted, monkeypatch):
    """What VaDE's code says of images later is better than what they said."""
    monkeypatch.setattr(further, "MOST_IMAGES", rows)
    x = np.random.default_rng(0).integers(0, 256, (60, side, side)).astype("u1")
    fitting = recipe.begin(x, Settings(**{**SHORT, "hidden": None, **asked}))
    assert (further.wanted(fitting, "init"), further.wanted(fitting, "regroup")) == (wanted, False)


def test_images_are_read_whole_and_their_start_is_what_most_say(monkeypatch):
    """Both kinds are bars; the first autoencoder sees noise."""
    r = np.random.default_rng(0)
    x = r.integers(0, 60, (120, 8, 8)).astype("u1")
    x[::2, 2, :], x[1::2, :, 5] = 250, 250
    read, heard, landmark_draws = [], Listens(), regions.landmark_draws
    fitting = pretrained(x, reporter=heard, clusters=2, pretrain_epochs=12, hidden=(32, 16))

    def begin(data, settings, **more):
        read.append(data.x.shape)
        return recipe.begin(data, settings, **more)

    def mostly_noise(views, n_clusters, seeds, *more):
        known = len(read) > 0
        return landmark_draws(views, n_clusters, seeds) if known else [r.integers(0, 2, 120) for _ in seeds]

    monkeypatch.setattr(further, "WORDS", 5)
    monkeypatch.setattr(further, "begin", begin)
    monkeypatch.setattr(regions, "landmark_draws", mostly_noise)
    found = finding.found_groups(fitting, "init").groups
    assert read == [(120, 64)] * 2
    assert adjusted_rand_score(found, np.arange(120) % 2) > 0.9
    assert [text for text in heard.said if text.startswith("autoencoder")] == [
        f"autoencoder {i} of 3: all vote on the groups" for i in (2, 3)
    ]


def test_that_rows_look_like_images_is_said_once():
    r = np.random.default_rng(0)
    x = np.repeat(np.repeat(r.integers(0, 200, (120, 4, 4)), 2, axis=1), 2, axis=2) + r.integers(0, 40, (120, 8, 8))
    heard = Listens()
    fitting = begun(x.reshape(120, 64).astype("u1"), reporter=heard)
    assert fitting.data.recognised
    further.draws(fitting)
    assert len([text for text in heard.said if "taken for images" in text]) == 1


def test_texts_that_come_as_logarithms_have_them_too(rng):
    """By `--text`, and in units of their own as the named sets have."""
    lines = [" ".join(f"w{topic}{rng.integers(9)}" for _ in range(8)) for topic in TOPICS]
    words = Texts.infer(lines)
    for data in (
        observe(words.encode(lines), schema=words),
        observe(10 * normalize(words.encode(lines)), "gaussian", standardise=False),
    ):
        fitting = begun(data)
        assert (data.texts, data.length) == (True, None)
        assert further.wanted(fitting, "regroup")
        assert np.shape(further.draws(fitting)) == ((further.AUTOENCODERS - 1) * DRAWS, 120)
    wide = observe(normalize(rng.normal(size=(120, 30))))  # directions of something else
    assert (wide.texts, further.wanted(begun(wide), "init")) == (False, False)


def test_they_read_the_words_that_most_texts_have(texts, monkeypatch):
    monkeypatch.setattr(further, "WORDS", 5)
    data = begun(texts).data
    number = (texts.toarray() > 0).sum(axis=0)
    for x in (texts, texts.toarray()):
        cut = further._commonest(begun(x).data)
        assert type(cut.x) is type(begun(x).data.x)
        columns = [np.flatnonzero([np.array_equal(column, own) for own in texts.toarray().T.astype("f4")]) for column in
                   np.asarray(cut.x).T]  # fmt: skip
        kept = np.concatenate(columns)
        assert len(kept) == 5
        assert number[kept].min() >= np.delete(number, kept).max()
        assert cut.length == data.length


def test_each_finds_groups_of_its_own_by_the_seed_and_a_store_has_them(texts, monkeypatch):
    store = Memory()
    first, again = (np.array(further.draws(begun(texts, kept))) for kept in (store, None))
    assert first.shape == ((further.AUTOENCODERS - 1) * DRAWS, 120)
    assert set(np.unique(first)) <= {0, 1, 2}
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:DRAWS], first[DRAWS:])
    for other in ({"seed": 1}, {"restart": 1}):
        assert not np.array_equal(first, further.draws(begun(texts, **other)))
    monkeypatch.setattr(further, "_found_by", None)
    np.testing.assert_array_equal(further.draws(begun(texts, store)), first)
    for damaged, message in ((first[:, 1:], r"draws: expected i of shape \(16, 120\)"), (first + 1, "groups beyond"),
                             (first - 1, "groups beyond the 3 clusters")):  # fmt: skip
        store.save("further", {"draws": damaged})
        with pytest.raises(InputError, match=rf"^store: further is damaged \({message}"):
            further.draws(begun(texts, store))


def test_each_is_another_autoencoder_read_in_two_places_with_draws_of_its_own(texts, monkeypatch):
    seeds, numbers, widths = [], [], []

    def begin(data, settings, **more):
        seeds.append(settings.seed)
        return recipe.begin(data, settings, **more)

    def landmark_draws(views, n_clusters, draws):
        widths.append([view.shape[1] for view in views])
        numbers.extend(draws)
        return [TOPICS] * DRAWS

    monkeypatch.setattr(further, "begin", begin)
    monkeypatch.setattr(regions, "landmark_draws", landmark_draws)
    further.draws(begun(texts, pretrain_epochs=0))
    assert len({0, *seeds}) == further.AUTOENCODERS == 3
    assert len(set(numbers)) == 2 * DRAWS
    assert widths == [[2, 8], [2, 8]]  # the code, and the layer before it


@pytest.mark.parametrize("phase", ["init", "regroup"])
def test_texts_go_where_most_of_all_draws_put_them(phase, texts, monkeypatch):
    """The first autoencoder sees noise, in which draws disagree; the others know the topics."""
    monkeypatch.setattr(further, "draws", lambda fitting: [TOPICS] * 2 * DRAWS)
    fitting = pretrained(texts)
    noise = np.random.default_rng(1)
    for weight in fitting.model.encoder.weights:
        weight.assign(noise.normal(size=weight.shape))
    assert adjusted_rand_score(finding.found_groups(fitting, phase).groups, TOPICS) == 1.0


def test_where_the_first_draws_agree_nobody_else_is_asked(rng):
    z = 9 * np.eye(3)[TOPICS] + rng.normal(size=(120, 3))
    found = landmark([z], 3, 0, more=lambda: pytest.fail("asked"))
    assert adjusted_rand_score(found, TOPICS) == 1.0


def test_texts_whose_draws_disagree_are_not_given_to_k_means(rng, monkeypatch):
    monkeypatch.setattr(regions, "kmeans", lambda *arguments: pytest.fail("k-means"))
    z = rng.normal(size=(300, 8))
    found = landmark([z], 5, 0, holds=True, more=lambda: [np.arange(300) % 5] * 40)
    assert adjusted_rand_score(found, np.arange(300) % 5) == 1.0


def test_a_vote_of_images_gives_way_to_k_means_that_parts_fewer_neighbours(rng):
    z = 9 * np.eye(3)[TOPICS] + rng.normal(size=(120, 3))
    differ = [rng.integers(0, 3, 120) for _ in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "landmark_draws", lambda views, k, seeds, *more: differ[: len(seeds)])
        found, held = (landmark([z], 3, 0, holds=holds, more=lambda: differ) for holds in (False, True))
    assert adjusted_rand_score(found, TOPICS) == 1.0
    assert adjusted_rand_score(held, TOPICS) < 0.5


def test_a_fit_says_what_it_trains_and_has_no_epochs_of_theirs(texts):
    heard = Listens()
    found = recipe.fit(texts, Settings(**SHORT), reporter=heard)
    said = [text for text in heard.said if text.startswith("autoencoder")]
    assert said == [f"autoencoder {i} of 3, of the commonest words: all vote on the groups" for i in (2, 3)]
    assert [row["phase"] for row in found.history] == ["pretrain", "fit"]


@pytest.mark.parametrize("other", [{"own_networks": True}, {"strategy": object()}])
def test_texts_with_own_networks_or_on_several_devices_have_none(texts, other):
    assert not further.wanted(dataclasses.replace(begun(texts), **other), "init")
