"""A hub on 127.0.0.1 with data sets that a test makes: as much of the Hugging Face Hub's interface as loading needs.

Taken from what ``huggingface_hub`` and ``datasets`` ask for: ``/api/datasets/...`` (info, tree, paths-info) and
``/datasets/.../resolve/...``. Every request is noted, so that a test can tell what was fetched.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Data sets: name -> revision -> path -> content; the first revision is what ``main`` means."""

    sets: Mapping[str, Mapping[str, Mapping[str, bytes]]]
    gated: frozenset[str] = frozenset()
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # keep the test's output clean
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        self.hub.requests.append(f"{self.command} {self.path}")
        if parts[:2] == ["api", "datasets"]:
            self._api("/".join(parts[2:4]), parts[4] if len(parts) > 4 else "", parts[5:])
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self._fail(404, "NotFound")

    def _files(self, name: str, revision: str) -> tuple[str, Mapping[str, bytes]] | None:
        """The commit and its files; None once an error has been answered."""
        if name not in self.hub.sets:
            self._fail(401, "RepoNotFound")
            return None
        if name in self.hub.gated:
            self._fail(403, "GatedRepo")
            return None
        revisions = self.hub.sets[name]
        commit = next(iter(revisions)) if revision == "main" else revision
        if commit not in revisions:
            self._fail(404, "RevisionNotFound")
            return None
        return commit, revisions[commit]

    def _api(self, name: str, verb: str, rest: list[str]) -> None:
        found = self._files(name, rest[0] if rest else "main")
        if found is None:
            return
        commit, files = found
        if verb in ("", "revision"):
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": name, "sha": commit, "private": False, "gated": False, "siblings": siblings, "tags": []})
        elif verb == "tree":
            folder = "/".join(rest[1:])
            inside = [path for path in files if not folder or path.startswith(folder + "/")]
            if folder and not inside:
                self._fail(404, "EntryNotFound")
            else:
                self._json([*_folders(inside), *(_entry(path, files[path]) for path in inside)])
        elif verb == "paths-info":
            wanted = json.loads(self.body)["paths"]
            folders = [entry for entry in _folders(list(files)) if entry["path"] in wanted]
            self._json([*folders, *(_entry(path, files[path]) for path in wanted if path in files)])
        else:
            self._fail(404, "NotFound")

    def _file(self, name: str, revision: str, path: str) -> None:
        found = self._files(name, revision)
        if found is None:
            return
        commit, files = found
        if path not in files:
            self._fail(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        content, status, extra = files[path], 200, {}
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(content) - 1), len(content) - 1)
            extra = {"Content-Range": f"bytes {start}-{stop}/{len(content)}"}
            content, status = content[start : stop + 1], 206
        digest = hashlib.sha256(files[path]).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes", **extra}
        self._send(status, content, "application/octet-stream", headers)

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), "application/json", {})

    def _fail(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"error": code}).encode()
        self._send(status, body, "application/json", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _send(self, status: int, content: bytes, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(path: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def _folders(paths: list[str]) -> list[dict[str, object]]:
    names = sorted({"/".join(path.split("/")[:k]) for path in paths for k in range(1, path.count("/") + 1)})
    return [
        {"type": "directory", "path": name, "size": 0, "oid": hashlib.sha1(name.encode()).hexdigest()} for name in names
    ]
