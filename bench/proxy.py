"""A mirror on loopback that remembers: `python -m bench.proxy FOLDER` prints its port and serves until ended.

It stands in front of the mirrors that this machine is configured for, as `/debian/...` and
`/debian-security/...`, so that the peers' downloads cost next to nothing and that no host's name is in what
they write. A file is kept once it came whole; what isn't there is asked for again.
"""

import hashlib
import shutil
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from builder.packages.mirrors import ARCHIVES, find_mirror


class Mirror(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, upstream: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.upstream = upstream
        self.client = httpx.Client(follow_redirects=True, timeout=60)

    def file(self, path: str) -> Path | int:
        """The kept file for `/debian/pool/...`, or the status that the mirror answered instead."""
        archive, _, rest = path.lstrip("/").partition("/")
        if archive not in self.upstream or not rest:
            return 404
        kept = self.folder / hashlib.sha256(path.encode()).hexdigest()
        return kept if kept.is_file() else self._fetch(f"{self.upstream[archive]}/{rest}", kept)

    def _fetch(self, url: str, kept: Path) -> Path | int:
        with self.client.stream("GET", url) as answer:
            if answer.status_code != 200:
                return answer.status_code
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as fresh:
                for chunk in answer.iter_raw(1 << 18):
                    fresh.write(chunk)
        Path(fresh.name).replace(kept)
        return kept


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def do_GET(self) -> None:
        try:
            found = self.server.file(self.path)
        except httpx.HTTPError:
            found = 502
        if isinstance(found, int):
            self.send_response(found)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(found.stat().st_size))
        self.end_headers()
        with found.open("rb") as file:
            shutil.copyfileobj(file, self.wfile, 1 << 18)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """A line for every file would say nothing."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with Mirror(folder, {archive: find_mirror(archive) for archive in ARCHIVES}) as mirror:
        print(mirror.server_port, flush=True)
        mirror.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
