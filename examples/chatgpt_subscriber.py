"""A host that speaks MCP Events: subscribes over streamable HTTP, proves its callback, and prints what is posted to it.

    E2A_MCP_URL=http://127.0.0.1:8080/mcp E2A_API_KEY=e2a_agt_... \\
        python chatgpt_subscriber.py http://127.0.0.1:9000/events assistant@agents.localhost 1

The last argument ends it after that many events. A deployment posts to this machine only with
E2A_PUSH_ALLOW_LOOPBACK=true; elsewhere the URL must be https.
"""

import base64
import json
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

ERA = "2026-07-28"


def subscribe(url: str, inbox: str, secret: str) -> str:
    """Returns the id of the subscription; the deployment has called `url` by then."""
    asked = {
        "name": "email.received",
        "arguments": {"agent_email": inbox},
        "delivery": {"mode": "webhook", "url": url, "secret": secret},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": ERA,
            "io.modelcontextprotocol/clientInfo": {"name": "subscriber", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }
    response = httpx.post(
        setting("E2A_MCP_URL"),
        json={"jsonrpc": "2.0", "id": 1, "method": "events/subscribe", "params": asked},
        headers={
            "Authorization": f"Bearer {setting('E2A_API_KEY')}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": ERA,
            "Mcp-Method": "events/subscribe",
        },
        timeout=30,
    )
    if "json" not in response.headers.get("Content-Type", ""):
        sys.exit(f"{response.url} is no MCP endpoint: it answered {response.status_code}")
    answer = response.json()
    if "error" in answer:
        sys.exit(f"refused: {answer['error']['message']} {answer['error'].get('data', '')}")
    return str(answer["result"]["id"])


def main(url: str, inbox: str, count: int) -> None:
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    seen: set[str] = set()
    enough = threading.Event()

    class Callback(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                Webhook(secret).verify(body, dict(self.headers))
            except WebhookVerificationError:
                self.answer(401, {})
                return
            event = json.loads(body)
            if event.get("type") == "verification":
                self.answer(200, {"challenge": event["challenge"]})
                return
            self.answer(200, {})
            if "eventId" in event and event["eventId"] not in seen:
                seen.add(event["eventId"])
                print(f"{event['name']}: {event['data']['subject']}", flush=True)
            if len(seen) >= count:
                enough.set()

        def answer(self, status: int, content: dict[str, str]) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    target = urlsplit(url)
    with ThreadingHTTPServer((target.hostname or "127.0.0.1", target.port or 80), Callback) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"ready {subscribe(url, inbox, secret)}", flush=True)
        enough.wait()
        server.shutdown()


def setting(name: str) -> str:
    """Returns a setting that has to be given."""
    return os.environ.get(name) or sys.exit(f"set {name}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: chatgpt_subscriber.py URL INBOX [COUNT]")
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize)
    except httpx.HTTPError as problem:
        sys.exit(f"{os.environ['E2A_MCP_URL']}: {problem}")
    except OSError as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
