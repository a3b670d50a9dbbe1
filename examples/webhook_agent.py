"""A cloud agent by webhook: registers its endpoint, believes only what is signed, and prints who wrote what.

    E2A_API_URL=http://127.0.0.1:8080 E2A_API_KEY=e2a_acct_... python webhook_agent.py http://127.0.0.1:9000/hook 1

The second argument ends it after that many messages. A deployment posts to this machine only with
E2A_PUSH_ALLOW_LOOPBACK=true; elsewhere the URL must be https.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

from e2a.v1 import E2AClient, construct_event
from e2a.v1.errors import E2AError


def main(url: str, count: int) -> None:
    client = E2AClient(api_key=setting("E2A_API_KEY"), base_url=setting("E2A_API_URL"))
    webhook = client.webhooks.create({"url": url, "events": ["email.received"]})
    seen: set[str] = set()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                event = construct_event(body, self.headers["X-E2A-Signature"], webhook.signing_secret)
            except (E2AError, ValueError):
                self.send_response(401)  # somebody else's, or altered on the way
            else:
                self.send_response(204)
                # Deliveries may repeat; the id of an event never changes.
                if event.id not in seen:
                    seen.add(event.id)
                    # The data of a test event is {"test": true}.
                    print(f"{event.data.get('header_from')}: {event.data.get('subject')}", flush=True)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    target = urlsplit(url)
    try:
        with HTTPServer((target.hostname or "127.0.0.1", target.port or 80), Hook) as server:
            print("ready", flush=True)
            while len(seen) < count:
                server.handle_request()
    finally:
        client.webhooks.delete(webhook.id)


def setting(name: str) -> str:
    """Returns a setting that has to be given."""
    return os.environ.get(name) or sys.exit(f"set {name}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: webhook_agent.py URL [COUNT]")
    try:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize)
    except E2AError as problem:
        sys.exit(f"{problem.message} ({problem.code})")
    except OSError as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
