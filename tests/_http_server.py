"""A server on 127.0.0.1 that misbehaves on request, and remembers what it was asked and what it sent."""

import email.utils
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LAST_MODIFIED = email.utils.formatdate(1_700_000_000, usegmt=True)


class Server(ThreadingHTTPServer):
    """`answers[path]` lists functions of a request handler: one for each request, the last for the rest."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = {}
        self.requests = []  # the headers of each request
        self.sent = 0  # bytes of bodies
        self._mutex = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients that hang up are part of the tests
            super().handle_error(request, client_address)

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def serve(self, name, *answers):
        self.answers["/" + name] = list(answers)
        return self.url(name)

    def next_answer(self, path, headers):
        with self._mutex:
            self.requests.append(headers)
            answers = self.answers[path]
            return answers.pop(0) if len(answers) > 1 else answers[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        self.server.next_answer(self.path, self.headers)(self)

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data):
        self.wfile.write(data)
        self.server.sent += len(data)

    def log_message(self, *_):
        pass


def whole(content, *, cut=None, ranges=True, etag='"one"', modified=None, length=True, before=lambda: None):
    """Answer with `content`, or the part asked for; hang up after `cut` bytes of the body."""

    def answer(handler):
        before()
        asked = handler.headers.get("Range")
        same = handler.headers.get("If-Range") in (None, etag, modified)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges and same else 0
        extra = {"ETag": etag} if etag else {}
        if modified:
            extra["Last_Modified"] = modified
        if start >= len(content) > 0:
            return handler.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
        if length:
            extra["Content_Length"] = len(content) - start
        if start:
            extra["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if start else 200, **extra)
        handler.body(content[start:cut])

    return answer


def chunked(content, *, cut=False):
    """Answer in two chunks without a length; `cut`: hang up before the final mark."""

    def answer(handler):
        handler.head(200, Transfer_Encoding="chunked")
        half = len(content) // 2
        for part in (content[:half], content[half:]):
            handler.wfile.write(b"%x\r\n" % len(part))
            handler.body(part)
            handler.wfile.write(b"\r\n")
        if not cut:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def status(code, **headers):
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def redirect(location, code=302):
    return status(code, Location=location)
