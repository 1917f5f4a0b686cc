"""Counts of genes in cells: clusters, and the genes that mark them.

python docs/gallery/cells.py     writes cells.png
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer, plot

random = np.random.default_rng(0)
kinds = ["B", "T", "NK", "monocyte", "platelet"]
kind = random.choice(5, 800, p=[0.3, 0.3, 0.2, 0.17, 0.03])  # 3 of 100 cells are platelets
genes = [f"{kinds[j % 5]} {j // 5}" if j < 60 else f"gene {j}" for j in range(300)]  # twelve genes mark each kind
share = random.gamma(0.3, size=300) * np.where((np.arange(300) < 60) & (np.arange(300) % 5 == kind[:, None]), 8.0, 1.0)
share /= share.sum(axis=1, keepdims=True)  # [800, 300]
mean = random.lognormal(np.log(500), 0.4, (800, 1)) * share  # how much of a cell was counted differs
counts = pd.DataFrame(random.negative_binomial(2.0, 2.0 / (2.0 + mean)), columns=genes)

# an AnnData or a sparse matrix of whole numbers needs no likelihood
model = VaDEClusterer(n_clusters=5, likelihood="counts", hidden=(64, 64), pretrain_epochs=20, epochs=20, random_state=0)
groups = model.fit_predict(counts)
print(f"adjusted Rand index with the kinds {adjusted_rand_score(kind, groups):.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plot.map(model, counts, method="tsne", ax=left)
plot.profile(model, counts, ax=right)
figure.savefig("cells.png", dpi=100)
