"""An executor's program: takes calls over HTTP on this machine, and keeps each as it came, with its signature."""

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import cast
from uuid import UUID


@dataclass
class Call:
    """What was sent: headers and the bytes of the body."""

    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Mapping[str, object]:
        """What was said."""
        return cast("Mapping[str, object]", json.loads(self.raw))

    def signed_by(self, secret: str) -> bool:
        """Say whether the call is signed by the rules of Standard Webhooks, worked out here by hand."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        said = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.raw
        wanted = base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split()


@dataclass
class Program:
    """What a program was told so far; it answers the first so many calls with 503."""

    url: str
    moods: int = 0
    calls: list[Call] = field(default_factory=list)
    refused: list[Call] = field(default_factory=list)

    def told(self, case: UUID, *types: str, seconds: float = 180) -> list[Call]:
        """Wait until each of these was told of a case, as often as it is named; all calls."""
        until = monotonic() + seconds
        while missing := Counter(types) - Counter(
            str(call.body["type"]) for call in self.calls if call.body["case"] == str(case)
        ):
            assert monotonic() < until, f"nobody told of {missing}"
            sleep(0.2)
        return list(self.calls)


@contextmanager
def listening(moods: int) -> Iterator[Program]:
    """Run a program that is busy at first: so many calls are refused, however many come at the same time."""
    one_by_one = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call({name.lower(): value for name, value in self.headers.items()}, raw)
            with one_by_one:
                busy = len(program.refused) < program.moods
                (program.refused if busy else program.calls).append(call)
            self.send_response(503 if busy else 204)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        program = Program(f"http://127.0.0.1:{server.server_port}/veche", moods)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield program
        server.shutdown()
        thread.join()
