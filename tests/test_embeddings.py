"""Embeddings from their rows to their groups: one result whatever holds them, and errors that name the row."""

import numpy as np
import pandas
import polars
import pytest
import scipy.sparse
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer
from vade_tf.cli.main import main
from vade_tf.data.observations import observe
from vade_tf.errors import InputError

SHORT = {"n_clusters": 3, "pretrain_epochs": 2, "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """120 rows float32 [n, 24] of length 1 in three groups, and the groups."""
    random = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = random.normal(size=(3, 24))[y] + 0.5 * random.normal(size=(120, 24))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


@pytest.fixture(scope="module")
def fitted(rows) -> VaDEClusterer:
    return VaDEClusterer(**SHORT).fit(rows[0])


def vectors(x) -> pandas.DataFrame:
    return pandas.DataFrame({"id": [f"r{i}" for i in range(len(x))], "embedding": list(x)})


HOLDERS = {
    "list": lambda x: x.tolist(),
    "float64": lambda x: x.astype(np.float64),
    "DataFrame": pandas.DataFrame,
    "named columns": lambda x: pandas.DataFrame(x).add_prefix("e"),
    "Polars": lambda x: polars.DataFrame(x, schema=[f"e{i}" for i in range(x.shape[1])]),
    "column of pandas": lambda x: vectors(x)["embedding"],
    "table of one column": lambda x: vectors(x)[["embedding"]],
    "column of Polars": lambda x: polars.Series(x.tolist()),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_embeddings_decides_nothing(holder, rows, fitted):
    held = holder(rows[0])
    other = VaDEClusterer(**SHORT).fit(held)
    assert other.kind_ == fitted.kind_ == "embeddings"
    np.testing.assert_array_equal(other.predict_proba(held), fitted.predict_proba(rows[0]))
    assert adjusted_rand_score(rows[1], other.labels_) > 0.9


def test_embeddings_differ_in_their_directions_alone(rows, fitted):
    """Rows of other lengths are embeddings if the caller says so, and new rows may have any length."""
    lengths = np.random.default_rng(1).uniform(0.5, 4, (120, 1))
    other = VaDEClusterer(**SHORT, kind="embeddings").fit(lengths * rows[0])
    np.testing.assert_allclose(other.predict_proba(rows[0]), fitted.predict_proba(lengths * rows[0]), atol=1e-3)


def test_more_than_20_groups_are_counted(tmp_path):
    random = np.random.default_rng(2)
    x = np.repeat(random.normal(size=(22, 32)), 60, axis=0) + 0.8 * random.normal(size=(1320, 32))
    model = VaDEClusterer("auto", pretrain_epochs=1, epochs=1, kind="embeddings", random_state=0).fit(x)
    assert model.n_clusters_ == 22
    assert len(np.unique(model.labels_)) == model.n_clusters_
    model.save(tmp_path / "model.keras")
    assert VaDEClusterer.load(tmp_path / "model.keras").choice_ == model.choice_


@pytest.mark.parametrize("scale", [1.0, 7.5])
def test_rows_of_one_length_are_embeddings_also_in_half_precision(scale, rows):
    assert observe((scale * rows[0]).astype(np.float16)).kind == "embeddings"


def test_tables_codes_and_weights_of_words_are_no_embeddings(rows, rng):
    longer = rows[0].copy()
    longer[100] *= 1.01
    few = rows[0][:, :3] / np.linalg.norm(rows[0][:, :3], axis=1, keepdims=True)
    words = np.where(rng.random((120, 24)) < 0.2, rng.random((120, 24)), 0) + np.eye(120, 24)
    signs = rng.choice([-1.0, 1.0], size=(120, 24))
    for x in (longer, few, words / np.linalg.norm(words, axis=1, keepdims=True), signs, rng.normal(size=(120, 24))):
        assert observe(x).kind != "embeddings"
    assert observe(scipy.sparse.csr_array(rows[0])).kind != "embeddings"


@pytest.mark.parametrize("holder", [np.asarray, pandas.DataFrame], ids=["array", "DataFrame"])
def test_a_row_of_zeros_is_named(holder, rows):
    x = rows[0].copy()
    x[7] = 0
    with pytest.raises(InputError, match="row 7") as error:
        observe(holder(x))
    assert error.value.argument == "kind"


def test_a_missing_cell_is_named(rows):
    x = rows[0].copy()
    x[9, 4] = np.nan
    for held in (x, pandas.DataFrame(x)):
        with pytest.raises(InputError, match="row 9"):
            observe(held)


@pytest.mark.parametrize("bad", [None, [0.5, 0.5]])
def test_a_cell_that_is_no_vector_of_the_others_length_is_named(bad, rows):
    cells = vectors(rows[0])["embedding"]
    cells[5] = bad
    with pytest.raises(InputError, match="row 5"):
        observe(cells)


def test_vectors_beside_other_columns_are_asked_for_by_name(rows):
    with pytest.raises(InputError, match="embedding"):
        observe(vectors(rows[0]))


def test_a_column_of_vectors_of_a_file_is_clustered_and_predicted(rows, tmp_path, capsys):
    """As Hugging Face data sets and vector stores write them; ids name the rows of both files."""
    file, run, found = tmp_path / "titles.parquet", tmp_path / "run", tmp_path / "new.csv"
    vectors(rows[0]).to_parquet(file)
    flags = ["--column", "embedding", "--id", "id", "--clusters", "3", "--pretrain-epochs", "2", "--epochs", "2"]
    assert main(["train", "--data", str(file), *flags, "--out", str(run)]) == 0
    assert main(["predict", str(run), "--data", str(file), "--out", str(found)]) == 0
    trained, new = pandas.read_csv(run / "assignments.csv"), pandas.read_csv(found)
    assert new["id"].tolist() == vectors(rows[0])["id"].tolist()
    np.testing.assert_array_equal(new["cluster"], trained["cluster"])
    other = str(tmp_path / "other")
    assert main(["train", "--data", str(file), "--column", "vector", "--clusters", "3", "--out", other]) == 2
    assert "'vector'" in capsys.readouterr().err


TOPICS = [
    ["trains run late", "the late bus"],
    ["soup with rice", "rice and beans"],
    ["goal of the match", "one match lost"],
]


def titles(y: np.ndarray) -> list[str]:
    return [TOPICS[c][i // 3 % 2] for i, c in enumerate(y)]


def test_clusters_are_called_by_the_words_of_their_rows(rows, fitted):
    """Which the fit does not read."""
    x, y = rows
    model = VaDEClusterer(**SHORT).fit(x, texts=titles(y))
    np.testing.assert_array_equal(model.predict_proba(x), fitted.predict_proba(x))
    for topic, word in enumerate(("late", "rice", "match")):
        assert word in model.cluster_names_[np.bincount(model.labels_[y == topic]).argmax()]
    assert set(fitted.cluster_names_) == {""}


@pytest.mark.parametrize("texts", [["late"] * 119, ["late"] * 120], ids=["too few", "no word tells them apart"])
def test_texts_that_cannot_name_clusters_are_refused_before_the_fit(texts, rows):
    with pytest.raises(InputError) as error:
        VaDEClusterer(**SHORT).fit(rows[0], texts=texts)
    assert error.value.argument == "texts"


def test_the_texts_of_a_file_name_clusters_in_its_answers_and_its_report(rows, tmp_path):
    """Lines of a .txt beside an array, or a column beside that of the vectors."""
    x, y = rows
    vectors(x).assign(title=titles(y)).to_parquet(tmp_path / "titles.parquet")
    np.save(tmp_path / "titles.npy", x)
    (tmp_path / "titles.txt").write_text("\n".join(titles(y)))
    short = ["--clusters", "3", "--pretrain-epochs", "2", "--epochs", "2"]
    for file, texts in (
        ("titles.parquet", ["title", "--column", "embedding"]),
        ("titles.npy", [tmp_path / "titles.txt"]),
    ):
        run = tmp_path / file.replace(".", "-")
        flags = ["--data", tmp_path / file, "--texts", *texts, *short, "--out", run]
        assert main(["train", *map(str, flags)]) == 0
        names = pandas.read_csv(run / "assignments.csv")["name"].unique()
        assert all(any(word in name for name in names) for word in ("late", "rice", "match"))
        assert main(["evaluate", str(run)]) == 0
        page = (run / "report.html").read_text()
        assert all(topic[0] in page or topic[1] in page for topic in TOPICS)


def test_bertopic_takes_the_clusters_and_their_probabilities(rows):
    bertopic = pytest.importorskip("bertopic")
    from bertopic.dimensionality import BaseDimensionalityReduction

    x, y = rows
    model = VaDEClusterer(**SHORT)
    topics = bertopic.BERTopic(umap_model=BaseDimensionalityReduction(), hdbscan_model=model)
    found, probabilities = topics.fit_transform(titles(y), x)
    assert adjusted_rand_score(y, found) > 0.9
    np.testing.assert_allclose(probabilities, model.predict_proba(x).max(axis=1), rtol=1e-5)
    assert list(topics.transform(titles(y)[:5], x[:5])[0]) == list(found[:5])
