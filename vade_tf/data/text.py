"""Reuters news as the word vectors of the DEC and VaDE papers: 2,000 TF-IDF features, every row of length sqrt(D)."""

from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf.data.dataset import Dataset, build
from vade_tf.errors import InputError

FEATURES = 2000


def load_reuters_r8(data_dir: str | None, require_full: bool) -> Dataset:
    """Reuters-21578 R8: all 7,674 documents of the eight largest single-topic classes, from data_dir/reuters_r8.tsv.

    The file holds a document a line, `label TAB words`. Features: log-TF-IDF of the 2,000 most frequent words that are
    no English stop words.
    """
    if data_dir is None or not (file := Path(data_dir) / "reuters_r8.tsv").is_file():
        where = "it has no standing address" if data_dir is None else f"found none in {data_dir}"
        raise InputError(
            f"--dataset reuters_r8: expected reuters_r8.tsv, a document a line as label TAB words ({where}); put it "
            "into a folder and name it with --data-dir"
        )
    try:
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line]
        labels, documents = zip(*lines, strict=True)
    except ValueError as error:
        raise InputError(
            f"--data-dir: {file} is damaged ({error}); expected a document a line, label TAB words"
        ) from error
    words = TfidfVectorizer(max_features=FEATURES, stop_words="english", sublinear_tf=True, dtype=np.float32)
    x = words.fit_transform(documents)
    x *= np.float32(np.sqrt(x.shape[1]))  # rows of length 1 -> ||x||^2 = D
    return build(x, np.array(labels), "reuters_r8", data_dir, "gaussian", standardise=False)
