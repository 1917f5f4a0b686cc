"""The cache of downloads: whole and checked or not at all, tried again, verified when read again."""

import hashlib
from pathlib import Path

import pytest
from loopback import serving

from vade_tf.data.download import cache_folder, provide
from vade_tf.errors import InputError

BODY = bytes(range(256)) * 40


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    with serving() as served:
        yield served


def fetched(*remotes) -> Path:
    return provide("some", remotes, None)


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_is_downloaded_once_and_again_where_the_cache_has_damaged_it(server, tmp_path, kind):
    remote = server.remote("rows.bin", BODY, checksum=f"{kind}:{hashlib.new(kind, BODY).hexdigest()}")
    folder = fetched(remote)
    assert folder == tmp_path / "cache" / "some"
    assert (folder / "rows.bin").read_bytes() == BODY
    fetched(remote)
    assert server.asked == ["rows.bin"]
    (folder / "rows.bin").write_bytes(BODY[:-1])
    fetched(remote)
    assert (folder / "rows.bin").read_bytes() == BODY
    assert server.asked == ["rows.bin"] * 2


@pytest.mark.parametrize("trouble", ["cut", 503])
def test_a_passing_trouble_is_tried_again(server, trouble, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    folder = fetched(server.remote("rows.bin", BODY, trouble))
    assert (folder / "rows.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    ("plan", "checksum", "words"),
    [((404, 404), None, "404"), ((), "sha256:" + 64 * "0", "rows.bin"), (("cut", "cut"), None, "IncompleteRead")],
    ids=["absent", "another file", "cut"],
)
def test_what_cannot_be_had_says_what_to_do_by_hand_and_leaves_nothing(server, plan, checksum, words, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    remote = server.remote("rows.bin", BODY, *plan, checksum=checksum)
    with pytest.raises(InputError, match=rf"^dataset: .*{words}.*{remote.address} as rows.bin .*data_dir") as raised:
        fetched(remote)
    assert "\n" not in str(raised.value)
    assert list((cache_folder() / "some").iterdir()) == []


def test_a_folder_of_the_users_own_is_never_downloaded_into(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    with pytest.raises(InputError, match=rf"^data_dir: .* without rows.bin; get {remote.address}"):
        provide("some", (remote,), str(tmp_path))
    (tmp_path / "rows.bin").write_bytes(b"own")
    assert provide("some", (remote,), str(tmp_path)) == tmp_path
    assert server.asked == []
