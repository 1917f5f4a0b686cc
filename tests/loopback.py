"""A web server on this machine that answers as a test wants it to."""

import hashlib
import http.server
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vade_tf.data.fetch import Remote


class Server(http.server.ThreadingHTTPServer):
    """Answers `/name` with files[name] as its plan says: one entry for each request (see `Handler`), then "whole"."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plans, self.asked = {}, {}, []
        self.closing = threading.Event()

    def address(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def remote(self, name, body, *plan, checksum=None, limit=100_000):
        """Serve a body under a name; its own checksum where none is given."""
        self.files[name], self.plans[name] = body, list(plan)
        right = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Remote(name, self.address(name), checksum or right, limit)

    def handle_error(self, request, client_address):
        """Say nothing: a client that hangs up is what most of the tests want to see."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Entries of a plan: "whole", "cut", "reset", "stall", "mute", a status, or the answer itself, bytes or pieces."""

    def do_GET(self):
        name = self.path[1:]
        self.server.asked.append(name)
        plan = self.server.plans.get(name)
        how = plan.pop(0) if plan else "whole"
        body = self.server.files.get(name, b"")
        if how == "mute":
            self.server.closing.wait()
        elif isinstance(how, bytes):
            self.wfile.write(how)
        elif not isinstance(how, str):
            for piece in how:
                self.wfile.write(piece)
        else:
            self._answer(int(how) if how.isdigit() else 200 if name in self.server.files else 404, how, body)

    def _answer(self, status, how, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if how in ("cut", "reset", "stall") else body)
        self.wfile.flush()
        if how == "stall":
            self.server.closing.wait()
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *args):
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs while the block does."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
