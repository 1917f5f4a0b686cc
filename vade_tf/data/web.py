"""The body of a web address, whatever its server sends: bounded in size and in time, every trouble told in one line.

Knows no data set and no file: that is fetch.py.
"""

import io
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from vade_tf.reading import Counted

CHUNK = 1 << 18  # most bytes of one read
HEAD = 1 << 20  # most bytes of all headers and of the redirects before the body
WINDOW = 60.0  # seconds over which the rate is measured
RATE = 10_000  # bytes per second; a server that sends less does not end in reasonable time
REASON = 200  # most characters that are shown of what a server says


class DownloadError(Exception):
    """A server did not give the body, and another attempt would not help; one line."""


class PassingError(DownloadError):
    """As DownloadError, but another attempt may help."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        timeout: seconds without a byte that end an attempt.
        pause: waits before another attempt, given the seconds.
        clock: the present time in seconds, from any origin.
    """

    timeout: float = 20.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def body(address: str, limit: int, patience: Patience) -> Generator[tuple[bytes, int | None], None, None]:
    """The body of an http(s) address, a piece at a time, each with the whole's announced size in bytes or None.

    Args:
        address: where it is; redirects are followed to http and https only.
        limit: most bytes that the body may have.
        patience: time-outs.

    Raises:
        PassingError: no answer, a broken connection, an overloaded server, a body cut short or slower than RATE.
        DownloadError: refused, out of reach, larger than `limit`, or no HTTP.
    """
    watch = Watch(HEAD, patience.clock)
    request = urllib.request.Request(address, headers={"User-Agent": "vade_tf"})
    try:
        with _opener(watch).open(request, timeout=patience.timeout) as answer:
            if answer.status != 200:
                raise DownloadError(f"the server answered {answer.status} {one_line(answer.reason)}")
            total = answer.length  # None: not announced, or not as a number
            if total is not None and total > limit:
                raise DownloadError(f"the server announces {total} bytes, expected at most {limit}")
            watch.allow(limit + HEAD)  # HEAD for the framing of chunks
            done = 0
            while piece := answer.read1(CHUNK):
                done += len(piece)
                if done > limit:
                    raise DownloadError(f"the server sends more than {limit} bytes, the most this file may have")
                yield piece, total
    except urllib.error.HTTPError as error:
        error.close()
        kind = PassingError if error.code >= 500 or error.code in (408, 429) else DownloadError  # 429: too many
        raise kind(f"the server answered {error.code} {one_line(error.reason)}") from error
    except urllib.error.URLError as error:
        raise DownloadError(_unreachable(error.reason)) from error
    except TimeoutError as error:
        raise PassingError(f"no answer within {patience.timeout:g} s") from error
    except (HTTPException, OSError) as error:
        raise PassingError(f"the connection broke ({one_line(repr(error))})") from error
    except (ValueError, OverflowError) as error:  # a redirect to http://[ or to port 99999
        raise DownloadError(f"the server sent what is no HTTP ({one_line(error)})") from error
    if done < (total or 0):
        raise PassingError(f"only {done} of {total} bytes came")
    if done == 0:
        raise PassingError("the server sent an empty file")


def one_line(text: object) -> str:
    """What a server or a library says, as one short line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= REASON else f"{line[:REASON]}..."


def _unreachable(reason: object) -> str:
    if isinstance(reason, ssl.SSLError):
        return f"no secure connection, check this machine's clock and certificates: {one_line(reason)}"
    return f"no network, or the server is out of reach: {one_line(reason)}"


class Watch:
    """Counts and times what a server sends, headers included.

    Args:
        most: bytes that may come.
        clock: the present time in seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float]):
        self.left, self.clock = most, clock
        self.came, self.since = 0, clock()

    def allow(self, most: int) -> None:
        """From here on up to `most` bytes more."""
        self.left = most

    def count(self, size: int) -> None:
        """Note that `size` bytes have come.

        Raises:
            DownloadError: they are more than may come.
            PassingError: on average they came slower than RATE, over a WINDOW or longer.
        """
        self.left -= size
        if self.left < 0:
            raise DownloadError("the server sends headers or redirects without end")
        self.came += size
        seconds = self.clock() - self.since
        if seconds >= WINDOW:
            if self.came < RATE * seconds:
                raise PassingError(f"slower than {RATE / 1000:g} kB/s")
            self.came, self.since = 0, self.clock()


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens http and https with every answer under a watch."""

    def __init__(self, watch: Watch):
        super().__init__()
        self.watch = watch

    def http_open(self, req):
        return self.do_open(partial(self._connection, HTTPConnection), req)

    def https_open(self, req):
        return self.do_open(partial(self._connection, HTTPSConnection), req)

    def _connection(self, kind, host, **more):
        connection = kind(host, **more)
        connection.response_class = self._response
        return connection

    def _response(self, sock, *args, **more) -> HTTPResponse:
        response = HTTPResponse(sock, *args, **more)
        # below http.client, since a server can keep that busy for ever before the body (headers byte by byte, "100
        # Continue" without end) and after it (trailers)
        response.fp = io.BufferedReader(Counted(response.fp.detach(), self.watch.count))
        return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects (no more than 10) to http and https; the standard library would go to ftp as well."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(newurl, code, f"to {newurl}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(watch: Watch) -> urllib.request.OpenerDirector:
    """Opens http and https, through a proxy where the environment names one, and nothing else (no file:, no ftp:)."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(watch),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
