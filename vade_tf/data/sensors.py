"""Sensor records of people's movements."""

import io
import lzma
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, provide
from vade_tf.data.observing import build
from vade_tf.errors import InputError

HHAR_FILES = (
    # UCI publishes no checksum. This one was recorded from its address by isglobal-brge/dsFlowerClient,
    # yoavmp/ml-neuro-tutorials and others independently; the zip inside (sha256 2045e435...) is the one recorded from
    # UCI's older address by alanderos91/MVDA.jl and nslay/HingeTreeForTorch.
    Remote(
        "human+activity+recognition+using+smartphones.zip",
        "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
        "sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
    ),
)
HHAR_FOLDER = "UCI HAR Dataset"
HHAR_WEIGHT = 5  # of the squared error in the authors' code, where a Gaussian of unit variance has 1/2


def load_hhar(data_dir: str | None) -> Dataset:
    """What the paper calls HHAR: 10,299 windows of smartphone signals, 561 features in [-1, 1], 6 activities.

    The authors' code reads 561 features, which is UCI's set 240, "Human Activity Recognition Using Smartphones"
    (Anguita et al., ESANN 2013), and of it the first 10,200 rows; the set of that name at UCI ("Heterogeneity Activity
    Recognition") holds raw signals. Here: all rows, training half first.

    Features times sqrt(10): with unit variance a Gaussian weighs them as the authors do. VaDE then learns one variance.

    From data_dir: the folder "UCI HAR Dataset" or UCI's zip.
    """
    if data_dir is not None and (Path(data_dir) / HHAR_FOLDER).is_dir():
        folder = Path(data_dir) / HHAR_FOLDER
        x, y = _read_hhar(lambda name: (folder / name).open("rb"), folder)
    else:
        file = provide("hhar", HHAR_FILES, data_dir) / HHAR_FILES[0].name
        try:
            with _inner_zip(file) as archive:
                x, y = _read_hhar(lambda name: archive.open(f"{HHAR_FOLDER}/{name}"), file)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError) as error:
            raise InputError(f"dataset=hhar: {file} is damaged ({error}); delete it and try again") from error
    rows = build(x, y, "hhar", data_dir or "uci", "gaussian", standardise=False)
    return replace(rows, factor=float(np.sqrt(2 * HHAR_WEIGHT)))


def _inner_zip(file: Path) -> zipfile.ZipFile:
    """UCI's zip holds a zip; the one of its older address is that inner one."""
    archive = zipfile.ZipFile(file)
    inner = f"{HHAR_FOLDER}.zip"
    if inner not in archive.namelist():
        return archive
    return zipfile.ZipFile(io.BytesIO(archive.read(inner)))


def _read_hhar(opened, source: Path) -> tuple[np.ndarray, np.ndarray]:
    """x [n, 561] and y [n] of both halves; `opened` gives the file of a name."""
    try:
        halves = [
            [np.loadtxt(opened(f"{half}/{part}_{half}.txt"), dtype=np.float32, ndmin=2) for part in ("X", "y")]
            for half in ("train", "test")
        ]
        x, y = (np.concatenate(part) for part in zip(*halves, strict=True))
    except (OSError, KeyError, ValueError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise InputError(
            f"dataset=hhar: {source} cannot be read ({error}); expected X and y of train and test as UCI packs them"
        ) from error
    return x, y.ravel()
