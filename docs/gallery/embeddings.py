"""Embeddings of texts: groups with names, and a map that answers the pointer.

python docs/gallery/embeddings.py     writes embeddings.png and embeddings.html

The embeddings of the descriptions of SciPy's functions are made by latent semantic analysis, which needs no download.
Those of a pretrained network come in its place: `x = SentenceTransformer(...).encode(texts)`.
"""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from bokeh.io import save
from bokeh.resources import INLINE
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf import VaDEClusterer, plot

texts = []
for name in ("fft", "linalg", "ndimage", "optimize", "signal", "stats"):
    module = importlib.import_module(f"scipy.{name}")
    for function in module.__all__:
        text = (inspect.getdoc(getattr(module, function)) or "").split("\nNotes\n")[0]
        if len(text) > 200:
            texts.append(text.replace(function, " "))

counted = TfidfVectorizer(max_features=5000, stop_words="english", sublinear_tf=True).fit_transform(texts)
x = TruncatedSVD(100, random_state=0).fit_transform(counted)  # [n, 100]

model = VaDEClusterer(n_clusters=6, kind="embeddings", random_state=0).fit(x, texts=texts)
for name, size in zip(model.cluster_names_, np.bincount(model.labels_, minlength=6), strict=True):
    print(f"{size:4} rows: {name}")
save(plot.interactive_map(model, x, texts), "embeddings.html", resources=INLINE, title="Functions of SciPy")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=(2, 1))
plot.map(model, x, "tsne", ax=left)
plot.confidence(model, x, ax=right)
left.set_title("\n".join(f"{c}: {name}" for c, name in enumerate(model.cluster_names_)), fontsize=7, loc="left")
figure.savefig("embeddings.png", dpi=80)
