"""The cache of downloads: whole and checked or not at all, tried again when that may help, verified when read again."""

import hashlib
import itertools
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import serving

from vade_tf.data import public_sets
from vade_tf.data.fetch import Remote, cache_folder, provide
from vade_tf.data.web import Patience
from vade_tf.errors import InputError
from vade_tf.storage import whole

BODY = bytes(range(256)) * 40


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    with serving() as served:
        yield served


def fetched(remote, **more):
    """(folder, pauses) of a download of one file."""
    pauses = []
    return provide("some", (remote,), None, Patience(pause=pauses.append, **more)), pauses


def left(tmp_path):
    """Names in the folder of the cache."""
    return sorted(path.name for path in (tmp_path / "cache" / "some").iterdir())


def test_a_file_is_downloaded_once_and_kept_in_the_cache(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    folder, pauses = fetched(remote)
    assert folder == tmp_path / "cache" / "some"
    assert (folder / "rows.bin").read_bytes() == BODY
    assert (folder / "rows.bin").stat().st_mode & 0o044 == 0o044  # for all who share the cache
    fetched(remote)
    assert (server.asked, pauses) == (["rows.bin"], [])


@pytest.mark.parametrize("trouble", ["cut", "reset", "408", "429", "500", "503", "mute", "stall"])
def test_a_passing_trouble_is_tried_again_after_longer_and_longer_pauses(server, trouble, capsys):
    patience, pauses = SimpleNamespace(timeout=20, clock=time.monotonic), []
    if trouble in ("mute", "stall"):
        patience.timeout = 0.05

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:  # the third attempt is answered, however busy this machine is
            patience.timeout = 20

    patience.pause = pause
    remote = server.remote("rows.bin", BODY, trouble, trouble)
    assert (provide("some", (remote,), None, patience) / "rows.bin").read_bytes() == BODY
    assert pauses == [1.0, 3.0]
    assert "rows.bin: " in (said := capsys.readouterr().err)
    assert said.count("again in") == 2


@pytest.mark.parametrize(
    ("trouble", "words", "timeout"),
    [
        ("cut", "only 5120 of 10240 bytes came, 4 times", 20),
        ("502", "the server answered 502 .*, 4 times", 20),
        ("mute", r"no answer within 0\.05 s, 4 times", 0.05),
    ],
)
def test_what_does_not_pass_ends_with_the_steps_by_hand(server, trouble, words, timeout, tmp_path):
    remote = server.remote("rows.bin", BODY, *[trouble] * 4)
    with pytest.raises(
        InputError, match=rf"^dataset=some: rows.bin could .*{words}.*{remote.address} as rows.bin .*data_dir"
    ):
        fetched(remote, timeout=timeout)
    assert len(server.asked) == 4
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        ({"checksum": "sha256:" + 64 * "0"}, f"expected sha256:0+, got sha256:{hashlib.sha256(BODY).hexdigest()}"),
        ({"checksum": "md5:" + 32 * "0"}, f"expected md5:0+, got md5:{hashlib.md5(BODY).hexdigest()}"),
        ({"plan": "404"}, "the server answered 404"),
        ({"plan": "403"}, "the server answered 403"),
    ],
)
def test_what_another_attempt_cannot_mend_is_not_tried_again(server, remote, words, tmp_path):
    plan = [remote["plan"]] if "plan" in remote else []
    with pytest.raises(InputError, match=words):
        fetched(server.remote("rows.bin", BODY, *plan, checksum=remote.get("checksum")))
    assert server.asked == ["rows.bin"]
    assert left(tmp_path) == []


def test_without_a_network_it_says_so_at_once(server, monkeypatch):
    def unresolved(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(InputError, match=r"no network, or the server is out of reach: .* as rows.bin by hand"):
        fetched(Remote("rows.bin", "http://somewhere.example/rows.bin", "md5:" + 32 * "0"))


def test_a_long_download_shows_how_far_it_is(server, capsys):
    fetched(server.remote("rows.bin", BODY), clock=itertools.count(step=3).__next__)
    assert "rows.bin: 100% of 0 MB\n" in capsys.readouterr().err


def test_a_folder_of_the_users_own_is_never_downloaded_into(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    with pytest.raises(InputError, match=rf"^data_dir: expected rows.bin in .* found no rows.bin; .*{remote.address}"):
        provide("some", (remote,), str(tmp_path))
    (tmp_path / "rows.bin").write_bytes(b"own")
    assert provide("some", (remote,), str(tmp_path)) == tmp_path
    assert server.asked == []
    with pytest.raises(InputError, match=r"^data_dir: .* cannot be read \(.*File name too long"):
        provide("some", (remote,), "x" * 300)


# Verified when read again.


@pytest.mark.parametrize("kind", ["sha256", "md5"])
@pytest.mark.parametrize("damaged", [BODY[:-1], BODY[:-1] + b"\0", b""], ids=["cut", "other", "empty"])
def test_a_damaged_file_in_the_cache_is_said_in_one_line_and_downloaded_again(server, kind, damaged, capsys):
    remote = server.remote("rows.bin", BODY, checksum=f"{kind}:{hashlib.new(kind, BODY).hexdigest()}")
    folder, _ = fetched(remote)
    (folder / "rows.bin").write_bytes(damaged)
    capsys.readouterr()
    fetched(remote)
    assert (folder / "rows.bin").read_bytes() == BODY
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"{folder / 'rows.bin'} is damaged")


def test_a_damaged_file_that_cannot_be_downloaded_again_is_named_with_the_steps_by_hand(server, tmp_path):
    remote = server.remote("rows.bin", BODY, "whole", "404")
    folder, _ = fetched(remote)
    (folder / "rows.bin").write_bytes(BODY[1:])
    with pytest.raises(
        InputError,
        match=rf"^dataset=some: {folder / 'rows.bin'} is damaged .*404.*{remote.address} as rows.bin .*data_dir",
    ):
        fetched(remote)
    assert (folder / "rows.bin").read_bytes() == BODY[1:]  # until a whole one takes its place


# Other processes: killed ones, and ones at the same file.


def test_what_a_killed_download_left_goes_after_a_day_and_nothing_else(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    folder = tmp_path / "cache" / "some"
    folder.mkdir(parents=True)
    with whole(folder / "rows.bin"):
        (unfinished,) = (path.name for path in folder.iterdir())
    days = {unfinished: 2, "unfinished-abc": 2, "unfinished-new": 0.5, ".new.unfinished": 0.5, "own.txt": 9}
    for name, age in days.items():
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - 86_400 * age,) * 2)
    (folder / "unfinished-folder").mkdir()
    os.utime(folder / "unfinished-folder", (0, 0))
    fetched(remote)
    assert left(tmp_path) == sorted([".new.unfinished", "own.txt", "rows.bin", "unfinished-folder", "unfinished-new"])


def test_two_that_download_the_same_file_at_once_both_end_well(server, tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def slowly():
        yield b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:5000]
        begun.set()
        go_on.wait()
        yield BODY[5000:]

    remote = server.remote("rows.bin", BODY, slowly())
    found = []
    slow = threading.Thread(target=lambda: found.append(fetched(remote)))
    slow.start()
    begun.wait()
    folder, _ = fetched(remote)
    assert (folder / "rows.bin").read_bytes() == BODY
    go_on.set()
    slow.join()
    assert found == [(folder, [])]
    assert (folder / "rows.bin").read_bytes() == BODY
    assert left(tmp_path) == ["rows.bin"]
    assert len(server.asked) == 2


def test_a_file_that_another_process_has_brought_meanwhile_is_not_asked_for_again(server, tmp_path):
    remote = server.remote("rows.bin", BODY, "503")
    file = tmp_path / "cache" / "some" / "rows.bin"
    assert provide("some", (remote,), None, Patience(pause=lambda _: file.write_bytes(BODY))) == file.parent
    assert len(server.asked) == 1


# Folders that cannot be used.


@pytest.mark.parametrize(
    ("home", "words"),
    [("file", "File exists|Not a directory"), ("file/below", "Not a directory"), ("x" * 300, "File name too long")],
)
def test_a_cache_that_cannot_be_made_is_said_in_one_line(server, monkeypatch, tmp_path, home, words):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / home))
    remote = server.remote("rows.bin", BODY)
    with pytest.raises(InputError, match=rf"^dataset=some: rows.bin cannot be kept .*({words}).*VADE_TF_HOME$"):
        fetched(remote)
    assert server.asked == []


def test_a_folder_in_the_place_of_the_file_is_said_in_one_line(server, tmp_path):
    (tmp_path / "cache" / "some" / "rows.bin").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^dataset=some: rows.bin cannot be kept .*VADE_TF_HOME$"):
        fetched(server.remote("rows.bin", BODY))
    assert left(tmp_path) == ["rows.bin"]


def test_a_full_disk_is_said_and_not_tried_again(server, tmp_path):
    resource = pytest.importorskip("resource")
    remote = server.remote("rows.bin", BODY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(InputError, match=r"^dataset=some: rows.bin cannot be kept .*File too large.*VADE_TF_HOME$"):
            fetched(remote)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (server.asked, left(tmp_path)) == (["rows.bin"], [])


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user whom the system does not know, with no HOME; their folder among temporary files."""
    pwd = pytest.importorskip("pwd")

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "VADE_TF_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"vade_tf-{os.getuid()}"


def test_a_user_without_a_home_folder_has_the_cache_among_temporary_files(server, homeless, monkeypatch, tmp_path):
    tmp_path.chmod(0o2755)  # hands its group down
    with pytest.raises(RuntimeError):
        Path.home()
    assert cache_folder() == cache_folder() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(public_sets, "MNIST_FILES", (server.remote("mnist.npz", BODY),))
    with pytest.raises(InputError, match="cannot be read"):  # BODY is no archive
        public_sets.load_mnist(None, True)
    assert (homeless / "mnist" / "mnist.npz").read_bytes() == BODY
    monkeypatch.setenv("VADE_TF_HOME", "elsewhere")
    assert cache_folder() == Path("elsewhere")


@pytest.mark.parametrize("trap", ["open", "link", "file", "another's"])
def test_a_temporary_folder_that_others_can_write_to_is_not_taken(homeless, tmp_path, monkeypatch, trap):
    if trap == "file":
        homeless.write_bytes(b"")
    elif trap == "link":
        (tmp_path / "target").mkdir(mode=0o700)
        homeless.symlink_to(tmp_path / "target")
    else:
        homeless.mkdir()
        homeless.chmod(0o777 if trap == "open" else 0o700)
    if trap == "another's":
        (tmp_path / f"vade_tf-{os.getuid() + 1}").mkdir(mode=0o700)
        user = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: user)
    with pytest.raises(InputError, match=r"^VADE_TF_HOME: this user has no home folder, .*; set VADE_TF_HOME to"):
        cache_folder()
