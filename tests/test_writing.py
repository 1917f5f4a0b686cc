"""A file is whole or not there, and nobody else's file is touched."""

import os
import stat

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data.files import load_file
from vade_tf.errors import InputError, StorageError
from vade_tf.writing import sweep, whole, whole_path, write_whole, writing


def test_what_is_interrupted_leaves_the_old_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"old")

    def interrupted():
        with whole(tmp_path / "a") as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["a.tmp", "a"])
def test_a_link_that_lies_there_is_not_followed(name, tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / name).symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("there", ["nothing", "a link"])
def test_a_file_has_the_rights_of_any_new_file(tmp_path, there):
    """A link has all rights, of which a file in its place would be anybody's to write."""
    (tmp_path / "usual").touch()
    if there == "a link":
        (tmp_path / "a").symlink_to(tmp_path / "usual")
    write_whole(tmp_path / "a", b"")
    assert (tmp_path / "a").lstat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_a_file_that_is_replaced_keeps_its_rights(mode, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(mode)
    with whole(tmp_path / "a") as file:
        assert [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob(".*")] == [mode]  # nobody reads a half, too
        file.write(b"new")
    with whole_path(tmp_path / "b") as place:
        place.write_bytes(b"new")
    for name in ("a", "b"):
        assert (tmp_path / name).read_bytes() == b"new"
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_a_program_that_runs_as_its_owner_is_not_replaced_by_another_that_does(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o4755)
    write_whole(tmp_path / "a", b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


@pytest.mark.parametrize("index", [9, -1, 2**31 - 1])
def test_a_sparse_file_with_an_index_outside_is_refused(index, tmp_path):
    matrix = scipy.sparse.csr_array(np.eye(4, 5, dtype="f4"))
    matrix.indices[2] = index
    arrays = {"indices": matrix.indices, "indptr": matrix.indptr, "data": matrix.data}
    np.savez(tmp_path / "x.npz", **arrays, shape=np.array([4, 5]), format=np.array(b"csr"), _is_array=np.array(True))
    with pytest.raises(InputError, match="data: .*x.npz cannot be read as .npz"):
        load_file(str(tmp_path / "x.npz"))


def test_a_file_has_all_its_bytes_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Else a power cut would leave an empty one in the place of the old."""
    seen, sync = [], os.fsync

    def fsync(file):
        seen.append((os.fstat(file).st_size, (tmp_path / "a").exists()))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a", b"all of it")
    assert seen == [(len(b"all of it"), False)]


def test_nobody_else_looks_into_a_folder_that_is_being_written(tmp_path):
    """What another library writes there may replace a file that its owner alone may read."""
    with whole_path(tmp_path / "a") as place:
        assert stat.S_IMODE(place.parent.stat().st_mode) & 0o077 == 0
        place.write_bytes(b"mine")
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_a_pipe_whose_reader_has_seen_enough_is_no_fault_of_a_file(tmp_path):
    for error, raised in ((BrokenPipeError(), BrokenPipeError), (PermissionError(), StorageError)):
        with pytest.raises(raised), writing(tmp_path / "a"):
            raise error


def test_what_is_only_called_like_something_unfinished_is_not_swept_away(tmp_path):
    left = ".0123456789abcdef.unfinished"
    own = {f"{left}.unfinished", ".notes.unfinished", f".0{left[1:]}", left[1:], left.upper()}
    for name in (left, *own):
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == own
