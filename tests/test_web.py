"""Whatever a server sends ends in a file that is right or in one line that says what was wrong, not in a traceback."""

import itertools
import re

import pytest
from loopback import serving

from vade_tf.data import web
from vade_tf.data.fetch import provide
from vade_tf.data.web import PassingError, Patience
from vade_tf.errors import InputError

BODY = bytes(range(256)) * 40
LIMIT = 100_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path))
    with serving() as served:
        yield served


def fetched(remote, **more):
    return provide("some", (remote,), None, Patience(pause=lambda _: None, **more)) / remote.name


def refused(server, tmp_path, answer, **more):
    """The message of a download whose server always gives one answer; what it has asked for is in server.asked."""
    remote = server.remote("rows.bin", BODY, *[answer] * 50, limit=LIMIT)
    with pytest.raises(InputError) as caught:
        fetched(remote, **more)
    assert list((tmp_path / "some").iterdir()) == []
    assert str(caught.value).isprintable()  # one line, and nothing that steers a terminal
    return str(caught.value)


def without_end(head, piece):
    """An answer that does not end, new for each request."""

    class Answer:
        def __iter__(self):
            return itertools.chain([head], itertools.repeat(piece))

    return Answer()


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: abc\r\n\r\n" + BODY,
        OK + b"Content-Length: -1\r\n\r\n" + BODY,
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY,
        OK + b"Content-Length: 10240\r\n\r\n" + BODY + b"more than announced",
        OK + b"\r\n" + BODY,
        CHUNKED + b"".join(b"100\r\n" + BODY[i : i + 256] + b"\r\n" for i in range(0, 10240, 256)) + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 10240\r\n\r\n" + BODY,
    ],
    ids=["no number", "negative", "no int", "more", "unannounced", "chunked", "continue"],
)
def test_the_body_counts_and_not_how_it_is_announced(server, answer):
    assert fetched(server.remote("rows.bin", BODY, answer)).read_bytes() == BODY
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OK + b"Content-Length: 100001\r\n\r\n", "announces 100001 bytes, expected at most 100000"),
        (OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "announces 9{30} bytes"),
        (OK + b"Content-Length: 10\r\n\r\n" + BODY, "checksum mismatch"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204 No Content"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 10240\r\n\r\n" + BODY, "answered 206 Partial Content"),
        (b"HTTP/1.1 404 \x1b[2J\x07" + b"gone " * 500 + b"\r\n\r\n", r"answered 404 \[2J gone gone .{150,200}\.\.\.\)"),
        (without_end(OK + b"\r\n", BODY), "more than 100000 bytes"),
        (without_end(CHUNKED, b"10\r\n0123456789abcdef\r\n"), "more than 100000 bytes"),
        (without_end(CHUNKED + b"-5\r\n", BODY), "more than 100000 bytes"),
    ],
    ids=["large", "huge", "less", "204", "206", "escapes", "endless", "endless chunks", "negative chunk"],
)
def test_what_cannot_be_the_file_is_refused_at_once(server, tmp_path, answer, words):
    assert re.search(words, refused(server, tmp_path, answer))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", "empty file"),
        (OK + b"\r\n", "empty file"),
        (b"", "the connection broke"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the connection broke"),
        (CHUNKED + b"five\r\nabcde\r\n", "the connection broke"),
        (CHUNKED + b"ffff\r\nabcde", "the connection broke"),
        (without_end(OK, b"A: b\r\n"), "the connection broke"),
        ("reset", "the connection broke"),
    ],
    ids=["empty", "empty, unannounced", "nothing", "no HTTP", "no chunk", "broken chunk", "headers", "reset"],
)
def test_what_is_broken_is_tried_again(server, tmp_path, answer, words):
    assert words in refused(server, tmp_path, answer)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (CHUNKED + b"5\r\nabcde\r\n0\r\n", b"Trailer: x\r\n" * 100),
        (b"HTTP/1.1 302 Found\r\nLocation: /rows.bin\r\n\r\n", BODY),
    ],
    ids=["100 Continue", "trailers", "body of a redirect"],
)
def test_what_surrounds_a_body_ends_too(server, tmp_path, head, piece):
    said = refused(server, tmp_path, without_end(head, piece))
    assert "headers or redirects without end" in said or "the connection broke" in said  # later Pythons see it first


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("/rows.bin", "infinite loop"),
        ("file:///etc/hostname", "not allowed"),
        ("ftp://127.0.0.1/rows.bin", "answered 302 to ftp://127.0.0.1/rows.bin, which is not followed"),
        ("data:,abc", "not allowed"),
        ("http://[/", "no HTTP"),
        ("http://127.0.0.1:99999/", "no HTTP|out of reach"),
        ("http://127.0.0.1:" + "9" * 30 + "/", "no HTTP|out of reach"),  # Python 3.11: OverflowError
        ("http://127.0.0.1:port/", "nonnumeric port"),
        ("http://" + "a" * 70 + ".example/", "no HTTP|out of reach"),
    ],
)
def test_redirects_that_lead_nowhere(server, tmp_path, to, words):
    answer = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
    assert re.search(words, refused(server, tmp_path, answer))
    assert len(server.asked) <= 11


def test_a_redirect_to_another_web_address_is_followed(server):
    server.remote("other.bin", BODY)
    answer = b"HTTP/1.1 301 Moved\r\nLocation: /other.bin\r\nContent-Length: 0\r\n\r\n"
    assert fetched(server.remote("rows.bin", BODY, answer)).read_bytes() == BODY
    assert server.asked == ["rows.bin", "other.bin"]


def test_a_connection_that_is_not_secure_is_said(server, tmp_path):
    answer = f"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:{server.server_port}/\r\nContent-Length: 0\r\n\r\n"
    assert "no secure connection, check this machine's clock" in refused(server, tmp_path, answer.encode())
    assert server.asked == ["rows.bin"]


@pytest.mark.parametrize(
    ("head", "piece"),
    [(OK + b"\r\n", b"x"), (OK + b"Content-Length: 10240\r\n\r\n", b"x"), (CHUNKED, b"1\r\nx\r\n"), (OK, b"x")],
    ids=["body", "announced body", "chunks", "headers"],
)
def test_a_drip_that_never_ends_is_given_up_after_a_minute(server, tmp_path, head, piece):
    minutes = itertools.count(step=web.WINDOW)  # passes a minute at every look at the clock
    said = refused(server, tmp_path, without_end(head, piece), clock=minutes.__next__)
    assert "slower than 10 kB/s, 4 times" in said


def test_the_rate_is_that_of_the_last_minute():
    now = [0.0]
    watch = web.Watch(10**9, lambda: now[0])
    for _ in range(10):  # a minute each, just fast enough, the bytes of each at its end
        now[0] += web.WINDOW
        watch.count(600_000)
    watch.count(50_000_000)
    now[0] += web.WINDOW
    watch.count(1)
    now[0] += web.WINDOW - 1
    watch.count(1)
    now[0] += 1
    with pytest.raises(PassingError, match="slower than 10 kB/s"):
        watch.count(599_997)


def test_a_body_may_be_larger_than_what_surrounds_it(server):
    body = BODY * (2 * web.HEAD // len(BODY))
    remote = server.remote("rows.bin", body, limit=len(body))
    assert fetched(remote).read_bytes() == body
