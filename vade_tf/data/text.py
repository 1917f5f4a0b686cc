"""Reuters news as the word vectors of the DEC and VaDE papers: 2,000 TF-IDF features, every row of length sqrt(D)."""

import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, provide
from vade_tf.data.observing import build
from vade_tf.errors import InputError
from vade_tf.seeding import subset

FEATURES = 2000
ROOTS = ("CCAT", "ECAT", "GCAT", "MCAT")
REUTERS_10K = 10_000
# RCV1-v2 (Lewis et al., JMLR 5, 2004) as scikit-learn keeps it for fetch_rcv1: its addresses and its checksums.
RCV1_TOPICS = Remote(
    "rcv1v2.topics.qrels.gz",
    "https://ndownloader.figshare.com/files/5976048",
    "sha256:2a98e5e5d8b770bded93afc8930d88299474317fe14181aee1466cc754d0d1c1",
)
RCV1_VECTORS = tuple(
    Remote(
        f"lyrl2004_vectors_{part}.dat.gz",
        f"https://ndownloader.figshare.com/files/{number}",
        f"sha256:{checksum}",
    )
    for part, number, checksum in (
        ("train", 5976057, "5468f656d0ba7a83afc7ad44841cf9a53048a5c083eedc005dcdb5cc768924ae"),
        ("test_pt0", 5976069, "ed40f7e418d10484091b059703eeb95ae3199fe042891dcec4be6696b9968374"),
        ("test_pt1", 5976066, "87700668ae45d45d5ca1ef6ae9bd81ab0f5ec88cc95dcef9ae7838f727a13aa6"),
        ("test_pt2", 5976063, "48143ac703cbe33299f7ae9f4995db49a258690f60e5debbff8995c34841c7f5"),
        ("test_pt3", 5976060, "dfcb0d658311481523c6e6ca0c3f5a3e1d3d12cde5d7a8ce629a9006ec7dbb39"),
    )
)
RCV1_FEATURES = 47_236


def load_reuters(data_dir: str | None) -> Dataset:
    """The paper's REUTERS: the 685,071 documents of RCV1-v2 with exactly one of its four root topics, kept sparse.

    The files are those of scikit-learn's `fetch_rcv1`, read one after the other in float32, since `fetch_rcv1` needs
    more than 2 GiB. They hold log-TF-IDF vectors of 47,236 stems; here the 2,000 stems that occur in most of the
    documents (the papers count the words of the texts anew, which gives much the same list), and the rows brought back
    to one length, ||x||^2 = D. The likelihood is a Gaussian of one variance, which is learned.
    """
    folder = provide("reuters", (RCV1_TOPICS, *RCV1_VECTORS), data_dir)
    try:
        x, y = read_rcv1(folder)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"dataset=reuters: the RCV1 files in {folder} cannot be read ({error}); delete the damaged one and try "
            "again"
        ) from error
    return build(x, y, "reuters", data_dir or "rcv1", "gaussian", standardise=False)


def load_reuters10k(data_dir: str | None) -> Dataset:
    """The paper's REUTERS-10K: a random subset of 10,000 documents of REUTERS, always the same one.

    The papers do not say which documents theirs has, so figures can differ by the sample.
    """
    whole = load_reuters(data_dir)
    return replace(whole.part(subset(len(whole.x), REUTERS_10K, 0)), name="reuters10k")


def read_rcv1(folder: Path) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Vectors [n, 2000] and root topics [n] of the documents with one root topic, in the order of the files.

    Every file is read twice, first for the counts and then for the columns: so no more than one is in memory at a time.
    """
    roots = _single_roots(folder / RCV1_TOPICS.name)
    frequency = np.zeros(RCV1_FEATURES, np.int64)
    for x, _ in _documents(folder, roots):
        frequency += np.bincount(x.indices, minlength=RCV1_FEATURES)
    columns = np.sort(np.argsort(-frequency, kind="stable")[:FEATURES])
    parts, topics = zip(*((x[:, columns], topic) for x, topic in _documents(folder, roots)), strict=True)
    x = scipy.sparse.vstack(parts, format="csr", dtype=np.float32)
    return _of_one_length(x), np.concatenate(topics)


def _single_roots(file: Path) -> dict[int, str]:
    """Document number -> its root topic, where it has exactly one. Lines of the file: `topic document 1`."""
    roots: dict[int, str | None] = {}
    with gzip.open(file, "rt", encoding="ascii") as lines:
        for line in lines:
            topic, document, _ = line.split()
            if topic in ROOTS:
                roots[int(document)] = None if int(document) in roots else topic
    return {document: topic for document, topic in roots.items() if topic is not None}


def _documents(folder: Path, roots: dict[int, str]):
    """(vectors, topics) of the documents in `roots`, a file at a time."""
    from sklearn.datasets import load_svmlight_file

    for remote in RCV1_VECTORS:
        with gzip.open(folder / remote.name) as file:
            x, numbers = load_svmlight_file(file, n_features=RCV1_FEATURES, dtype=np.float32, zero_based=False)
        topics = np.array([roots.get(int(number), "") for number in numbers])
        yield x[topics != ""], topics[topics != ""]


def _of_one_length(x: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Rows scaled to ||x||^2 = D; rows of zeros stay."""
    from sklearn.preprocessing import normalize

    x = normalize(x, copy=False)
    x.data *= np.float32(np.sqrt(x.shape[1]))
    return x


def load_reuters_r8(data_dir: str | None) -> Dataset:
    """Reuters-21578 R8: all 7,674 documents of the eight largest single-topic classes, from data_dir/reuters_r8.tsv.

    The file holds a document a line, `label TAB words`. Features: log-TF-IDF of the 2,000 most frequent words that are
    no English stop words.
    """
    if data_dir is None or not (file := Path(data_dir) / "reuters_r8.tsv").is_file():
        where = "it has no standing address" if data_dir is None else f"found none in {data_dir}"
        raise InputError(
            f"dataset=reuters_r8: expected reuters_r8.tsv, a document a line as label TAB words ({where}); put it "
            "into a folder and name it with data_dir"
        )
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(max_features=FEATURES, stop_words="english", sublinear_tf=True, norm=None, dtype=np.float32)
    try:
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line]
        labels, documents = zip(*lines, strict=True)
        x = _of_one_length(words.fit_transform(documents))
    except ValueError as error:
        raise InputError(
            f"data_dir: {file} is damaged ({error}); expected a document a line, label TAB words"
        ) from error
    dataset = build(x, np.array(labels), "reuters_r8", data_dir, "gaussian", standardise=False)
    return replace(dataset, words=tuple(words.get_feature_names_out().tolist()))
