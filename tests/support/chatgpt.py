"""A receiver that plays ChatGPT: it verifies each signature by the library and answers the challenge.

The class is that of `tests/test_mcp_events.py` in the source distribution of mcp-webhook-events 0.2.0, with types added
and its server closed by `close`. Its licence:

MIT License

Copyright (c) 2026 Shaun Owen

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

__all__ = ["SECRET", "ChatGpt"]

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()

Got = tuple[dict[str, str], dict[str, Any], list[str]]


class ChatGpt:
    """Keeps (headers, body, the secrets that verified it) of each request."""

    def __init__(self) -> None:
        self.received: list[Got] = []
        self.script: list[int] = []  # statuses to return for the next deliveries
        self.challenge_mode = "echo"
        self.secrets = [SECRET]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                verified = [secret for secret in receiver.secrets if verifies(secret, body, headers)]
                data = json.loads(body)
                receiver.received.append((headers, data, verified))
                if not verified:
                    return self._reply(401, {})
                if data.get("type") == "verification":
                    if receiver.challenge_mode == "echo":
                        return self._reply(200, {"challenge": data["challenge"]})
                    if receiver.challenge_mode == "wrong":
                        return self._reply(200, {"challenge": "nope"})
                    return self._reply(500, {})
                return self._reply(receiver.script.pop(0) if receiver.script else 200, {})

            def _reply(self, status: int, answer: dict[str, Any]) -> None:
                out = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/mcp-events/cb_1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[Got]:
        return [got for got in self.received if got[1].get("type") != "verification"]

    def challenges(self) -> list[Got]:
        return [got for got in self.received if got[1].get("type") == "verification"]


def verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True
