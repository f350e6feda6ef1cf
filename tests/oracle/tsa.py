"""A timestamp authority for the tests: openssl answers, this only speaks HTTP.

tsa.py FOLDER makes a root, an authority under it and a stranger, says its address, and serves. POST /mode/MODE changes what it does:
ok, down, replay (yesterday's answer), stranger (signed by an authority whose root is not FOLDER/root.pem), junk.
"""

import pathlib
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def authority(name):
    root, cert = folder / f"{name}.pem", folder / f"{name}-tsa.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("openssl", "req", "-x509", *key, "-keyout", f"{root}.key", "-out", root, "-days", "30", "-subj", f"/CN={name}")
    run("openssl", "req", *key, "-keyout", f"{cert}.key", "-out", f"{cert}.csr", "-subj", f"/CN={name} time")
    (folder / "extensions").write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n")
    run("openssl", "x509", "-req", "-in", f"{cert}.csr", "-CA", root, "-CAkey", f"{root}.key", "-CAcreateserial", "-out", cert,
        "-days", "20", "-extfile", folder / "extensions")
    return cert


(folder / "serial").write_text("01\n")
(folder / "config").write_text(CONFIG.format(folder=folder))
certificates = {"ok": authority("root"), "stranger": authority("stranger")}
state = {"mode": "ok", "last": b""}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/mode/"):
            state["mode"] = self.path[len("/mode/"):]
            return self.answer(200, b"")
        mode = state["mode"]
        if mode == "down":
            return self.answer(503, b"")
        if mode == "junk":
            return self.answer(200, b"hello")
        if mode == "replay":
            return self.answer(200, state["last"])
        cert = certificates[mode]
        (folder / "query").write_bytes(body)
        run("openssl", "ts", "-reply", "-config", folder / "config", "-queryfile", folder / "query", "-signer", cert, "-inkey", f"{cert}.key",
            "-out", folder / "reply")
        state["last"] = (folder / "reply").read_bytes()
        self.answer(200, state["last"])

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
