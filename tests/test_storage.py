"""A file is whole or not there, nobody else's file is touched."""

import errno
import os
import stat

import pytest

from vade_tf.storage import remove_unfinished, whole, whole_path, write_whole


def test_what_is_interrupted_leaves_the_old_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"old")

    def interrupted():
        with whole(tmp_path / "a") as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(KeyboardInterrupt), whole_path(tmp_path / "b") as place:  # noqa: PT012
        place.write_bytes(b"ne")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: '.*/a'"):
        write_whole(tmp_path / "a", b"new")
    assert not list(tmp_path.iterdir())


def test_a_link_that_lies_there_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_is_replaced_keeps_its_rights(mode, tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(mode)
    write_whole(tmp_path / "a", b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_file_has_all_its_bytes_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Else a power cut would leave an empty one in the place of the old."""
    seen, sync = [], os.fsync

    def fsync(file):
        seen.append((os.fstat(file).st_size, (tmp_path / "a").exists()))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a", b"all of it")
    assert seen == [(len(b"all of it"), False)]


def test_only_what_a_writer_left_is_removed(tmp_path):
    left = ".0123456789abcdef.unfinished"
    own = {f"{left}.unfinished", ".notes.unfinished", left[1:], left.upper()}
    for name in (left, *own):
        (tmp_path / name).mkdir()
    remove_unfinished(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == own
