"""A small model hub: the routes of the Hugging Face hub, and the ways in which networks fail."""

import hashlib
import http.server
import json
import re
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves .files of one repository at .endpoint; large ones by redirect to a second host (another port).

    .faults: file name -> list of faults, one used up by each GET of the file:
        ("break", n)    sends the first n bytes of what was asked for, then drops the connection
        ("status", n)   answers with this status
        ("lie",)        sends other bytes of the same length
        ("no-range",)   ignores Range and sends everything
    .requests: (host, method, path, headers) of everything that was asked.
    """

    def __init__(self, repository="org/tiny", files=None, small=("config.json", "tokenizer.json")):
        self.repository = repository
        self.files = files or {}
        self.small = small
        self.faults = {}
        self.listing_faults = []
        self.requests = []
        self.token = None
        self.servers = []
        for role in ("hub", "storage"):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(role))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
        self.endpoint = f"http://127.0.0.1:{self.servers[0].server_port}"
        self.storage = f"http://127.0.0.1:{self.servers[1].server_port}"

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def asked(self, host, ending):
        return [request for request in self.requests if request[0] == host and request[2].endswith(ending)]

    def listing(self):
        siblings = []
        for name, data in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry = {"rfilename": name, "size": len(data), "blobId": blob}
            if name not in self.small:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": self.repository, "sha": COMMIT, "siblings": siblings}

    def _handler(hub, role):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                hub.requests.append((role, "GET", self.path, dict(self.headers)))
                if role == "hub" and hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    return self.answer(401)
                path = self.path.split("?")[0]
                if role == "hub":
                    if re.fullmatch(rf"/api/models/{re.escape(hub.repository)}/revision/[^/]+", path):
                        if hub.listing_faults:
                            return self.answer(*hub.listing_faults.pop(0))
                        return self.answer(200, json.dumps(hub.listing()).encode())
                    prefix = f"/{hub.repository}/resolve/{COMMIT}/"
                    name = path.removeprefix(prefix)
                    if not path.startswith(prefix) or name not in hub.files:
                        return self.answer(404)
                    if name in hub.small:
                        return self.send_file(name)
                    digest = hashlib.sha256(hub.files[name]).hexdigest()
                    return self.answer(302, Location=f"{hub.storage}/{name}?signature=geheim", X_Linked_Etag=f'"{digest}"')
                return self.send_file(path.lstrip("/"))

            def send_file(self, name):
                data = hub.files[name]
                faults = hub.faults.get(name, [])
                fault = faults.pop(0) if faults else ("none",)
                if fault[0] == "status":
                    return self.answer(fault[1])
                if fault[0] == "lie":
                    data = bytes(byte ^ 0xFF for byte in data)
                begin = 0
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if asked and fault[0] != "no-range":
                    begin = int(asked[1])
                    if begin >= len(data):
                        return self.answer(416)
                body = data[begin:]
                self.send_response(206 if begin else 200)
                if begin:
                    self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if fault[0] == "break":
                    self.wfile.write(body[: fault[1]])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(2)
                else:
                    self.wfile.write(body)

        return Handler
