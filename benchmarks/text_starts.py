"""Groups of few texts before any training: from their own words, as a fit starts, beside other ways. ARI.

python benchmarks/text_starts.py --r8 FILE         300 to 2,000 of the texts (label TAB words a line), seeds 0 to 2
python benchmarks/text_starts.py --table           the means of what was measured

The texts are a sample of the file, the same for every seed, and come from `TfidfVectorizer()`, so there are more words
than texts. "start" is that of a fit: the regions of the autoencoder's code, "code", or those of the texts in their
leading directions, "words". "code or k-means" gives way to k-means on the code where the draws differ, as wide rows
that are no texts do; "k-means" reads the TF-IDF rows (10 starts). Rows go to benchmarks/results/text_starts.csv as they
come.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rivals

RESULTS = Path(__file__).parent / "results" / "text_starts.csv"
COMMAND = "python benchmarks/text_starts.py --r8 FILE"
SIZES = 300, 500, 1000, 2000
SEEDS = range(3)


def load(file: Path, n: int):
    """TF-IDF rows of n texts, sparse [n, words], and their labels, [n]."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    lines = [line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines()]
    chosen = np.random.default_rng(n).permutation(len(lines))[:n]
    return TfidfVectorizer().fit_transform([lines[i][1] for i in chosen]), np.array([lines[i][0] for i in chosen])


def starts(x, k: int, seed: int) -> dict[str, np.ndarray]:
    """The groups that each way finds, int [texts]."""
    from vade_tf import Settings, begin, pretrain
    from vade_tf.training import groups, regions, start

    fitting = begin(x, Settings(clusters=k, seed=seed))
    pretrain(fitting)
    rows = fitting.data.rows
    every = groups.reader(fitting, "init", rows)(rows)[1]
    words, code = every[: start.WORD_VIEWS], every[start.WORD_VIEWS :]
    return {
        "start": start.of_texts(every, k, seed),
        "code": start.landmark(code, k, seed),
        "words": start.landmark(words, k, seed),
        "code or k-means": start.landmark(code, k, seed, doubt=True),
        "k-means": regions.kmeans(x, k, seed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--r8", type=Path, help="file of the texts")
    parser.add_argument("--table", action="store_true", help="print the means and measure nothing")
    options = parser.parse_args()
    if not options.table:
        from sklearn.metrics import adjusted_rand_score

        if options.r8 is None:
            parser.error("--r8: expected the file of the texts, got none")
        done = {(row["set"], row["seed"]) for row in rivals.read(RESULTS)}
        for seed in SEEDS:
            for n in SIZES:
                if (f"{n} texts", str(seed)) in done:
                    continue
                (x, y), rows = load(options.r8, n), []
                for name, groups in starts(x, len(np.unique(y)), seed).items():
                    ari = f"{adjusted_rand_score(y, groups):.4f}"
                    rows.append({"set": f"{n} texts", "system": name, "seed": seed, "ari": ari})
                    print(*rows[-1].values(), flush=True)
                rivals.append(rows, RESULTS, COMMAND, (*rivals.KEY, "ari"))
    rows = rivals.read(RESULTS)
    print(rivals.table(rows, "ari", {row["system"]: row["system"] for row in rows}))


if __name__ == "__main__":
    main()
