"""Texts by topic: the descriptions of SciPy's functions, as rows of TF-IDF.

python docs/gallery/texts.py     writes texts.png
"""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf import VaDEClusterer

parts = ["fft", "linalg", "ndimage", "optimize", "signal", "stats"]
texts, part = [], []
for number, name in enumerate(parts):
    module = importlib.import_module(f"scipy.{name}")
    for function in module.__all__:
        text = (inspect.getdoc(getattr(module, function)) or "").split("\nNotes\n")[0]
        if len(text) > 200:
            texts.append(text.replace(function, " "))  # its name would give the part away
            part.append(number)

words = TfidfVectorizer(max_features=1000, stop_words="english", token_pattern="[a-z]{3,}", sublinear_tf=True)
x = words.fit_transform(texts)  # sparse, a row a text, of length 1
model = VaDEClusterer(n_clusters=6, hidden=(256, 128), pretrain_epochs=15, epochs=10, random_state=0)
groups = model.fit_predict(x)

counts = np.zeros((6, 6), int)  # [cluster, part]
np.add.at(counts, (groups, part), 1)
names = words.get_feature_names_out()
means = [np.asarray(x[groups == c].mean(axis=0)).ravel() if (groups == c).any() else 0 * names for c in range(6)]
figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
axes.imshow(counts, cmap="Blues", aspect="auto")
for (c, p), count in np.ndenumerate(counts):
    axes.text(p, c, count, ha="center", va="center", color="white" if count > counts.max() / 2 else "black")
axes.set_xticks(range(6), parts)
axes.set_yticks(range(6), [", ".join(names[mean.argsort()[:-5:-1]]) for mean in means])
axes.set_title("Texts of each part of SciPy in each cluster")
figure.savefig("texts.png", dpi=100)
