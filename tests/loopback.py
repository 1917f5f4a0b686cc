"""A web server on this machine that answers as a test wants it to."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vade_tf.data.download import Remote


class Server(http.server.ThreadingHTTPServer):
    """Answers `/name` with files[name], or with what its plan says first: a status each, or "cut" for half of it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plans, self.asked = {}, {}, []

    def remote(self, name, body, *plan, checksum=None):
        """Serve a body under a name; its own checksum where none is given."""
        self.files[name], self.plans[name] = body, list(plan)
        right = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Remote(name, f"http://127.0.0.1:{self.server_port}/{name}", checksum or right)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:]
        self.server.asked.append(name)
        plan, body = self.server.plans[name], self.server.files[name]
        how = plan.pop(0) if plan else 200
        self.send_response(200 if how == "cut" else how)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if how == "cut" else body)

    def log_message(self, *args):
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs while the block does."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
