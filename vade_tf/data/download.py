"""Files of public data sets: from a folder, from the cache, or downloaded by pooch, which compares their checksums."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pooch

from vade_tf.errors import InputError, cited

TIMEOUT = 20  # seconds without an answer


class Remote(NamedTuple):
    """A file at a public address."""

    name: str  # of the file in the cache
    address: str
    checksum: str  # "sha256:..." or "md5:..." as somebody who vouches for it has published it


def cache_folder() -> Path:
    """$VADE_TF_HOME, or the folder for caches that the system gives to this user."""
    return Path(os.environ.get("VADE_TF_HOME") or pooch.os_cache("vade_tf"))


def provide(dataset: str, files: tuple[Remote, ...], data_dir: str | None) -> Path:
    """The folder that holds all files of a data set; those that the cache lacks or has damaged are downloaded.

    Args:
        dataset: its name; also the folder's in the cache.
        files: what it consists of; an InputError says how to get by hand what cannot be had.
        data_dir: folder that must hold them already, whatever their checksum; None: the cache, then the network.
    """
    by_hand = ", ".join(f"{file.address} as {file.name}" for file in files)
    folder = cache_folder() / dataset if data_dir is None else Path(data_dir)
    if data_dir is not None:
        if missing := [file.name for file in files if not (folder / file.name).is_file()]:
            raise InputError("data_dir", f"the files of {dataset}", f"{folder} without {missing[0]}", f"get {by_hand}")
        return folder
    registry, urls = ({file.name: getattr(file, key) for file in files} for key in ("checksum", "address"))
    cache = pooch.create(folder, base_url="", registry=registry, urls=urls, retry_if_failed=1)  # after a second
    bar = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    how = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)
    for file in files:
        try:
            cache.fetch(file.name, downloader=how)
        except (OSError, ValueError) as error:  # of requests, of the disk, or a checksum that differs
            hint = f"download {by_hand} into one folder and name it with data_dir"
            raise InputError("dataset", f"{dataset}, which has to be downloaded", cited(error), hint) from error
    return folder
