"""Every `--model`: a whole run folder, and clusters of new rows."""

import io
import json

import numpy as np
import pandas
import promised
import pytest

SYSTEMS = ["kmeans", "gmm", "ae_kmeans", "ae_gmm", "vae_gmm", "dec", "dec_da", "idec", "gmvae"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_trains_and_predicts(system, rows, tmp_path):
    file = rows / "x.npy"
    if system == "dec_da":  # which turns and shifts images
        file = tmp_path / "images.npy"
        np.save(file, promised.pictures(300)[0])
    run = tmp_path / "run"
    promised.train("--data", file, "--clusters", 3, "--model", system, "--out", run)
    own = promised.assignments(run)
    assert list(own)[:3] == ["row", "cluster", "confidence"]
    assert (len(own), json.loads((run / "metrics.json").read_text())["model"]) == (300, system)
    assert own["cluster"].between(0, 2).all()
    assert own["confidence"].between(0, 1 + 1e-6).all()
    found = pandas.read_csv(io.StringIO(promised.done("vade_tf", "predict", run, "--data", file)))
    assert (found["cluster"] == own["cluster"]).mean() > 0.98
    if system in ("kmeans", "gmm"):
        scored = promised.done(
            "evaluate.py", run, "--data", file, "--labels", rows / "y.npy", "--json", "--no-figures", "--quiet"
        )
        assert json.loads(scored)["ari"] > 0.9
