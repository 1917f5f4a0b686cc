"""The worst of `benchmarks/hostile.py`: each case fits with finite figures, or stops with a reason."""

import importlib.util
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("eager_file")

# by its path: the folder of tests has a package of this name
spec = importlib.util.spec_from_file_location("hostile", Path(__file__).parent.parent / "benchmarks" / "hostile.py")
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)

USUAL = {
    "n": 60, "features": 9, "clusters": 4, "scale": "1", "traits": (), "likelihood": "auto", "recipe": "robust",
    "init": "auto", "precision": "float32", "batch_size": 100, "learning_rate": 2e-3, "squeezed": True,
}  # fmt: skip
FITS = {
    "an outlier of 1e6 deviations": {"traits": ("outlier",), "clusters": 30},
    "scales from 1e-6 to 1e6 in half precision": {"scale": "mixed", "precision": "mixed_float16", "init": "kmeans"},
    "nine tenths of the rows equal": {"traits": ("same_rows", "same_columns"), "recipe": "paper", "init": "gmm"},
    "nothing but a constant": {"features": 1, "traits": ("constant",), "n": 12, "clusters": 6, "batch_size": 1000},
    "rows of the unit matrix": {"traits": ("one_hot",), "likelihood": "bernoulli", "precision": "mixed_bfloat16"},
    "a mean of 1e10": {"traits": ("shifted", "outlier"), "scale": "1e6", "init": "gmm"},
}
STOPS = {
    "too many clusters": ({"clusters": 61}, r"stops: clusters: expected at most the number of rows, 60, got 61"),
    "no probabilities": (
        {"likelihood": "bernoulli", "squeezed": False},
        r"stops: likelihood: bernoulli expects values in \[0, 1\]",
    ),
    "steps too long": (
        {"learning_rate": 1e30},
        r"stops: (pretrain: .* in epoch 3, after 2 steps back|training diverged: the code) .*lower learning_rate",
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("change", FITS.values(), ids=FITS.keys())
def test_it_fits(change):
    assert hostile.fit(1, {**USUAL, **change})["outcome"] == "fits"


@pytest.mark.parametrize(("change", "reason"), STOPS.values(), ids=STOPS.keys())
def test_it_stops_with_a_reason(change, reason):
    row = hostile.fit(1, {**USUAL, **change})
    assert re.match(reason, row["outcome"]), row["outcome"]


def test_a_case_is_a_function_of_its_number_and_they_differ():
    cases = [hostile.case(number) for number in range(hostile.CASES)]
    assert cases[7] == hostile.case(7)
    for name in ("scale", *hostile.SETTINGS):
        assert {case[name] for case in cases} == set(hostile.SCALES if name == "scale" else hostile.SETTINGS[name])
    assert {trait for case in cases for trait in case["traits"]} == set(hostile.TRAITS)
    assert any(case["batch_size"] > case["n"] for case in cases)
    assert any(case["clusters"] == case["n"] // 2 for case in cases)
