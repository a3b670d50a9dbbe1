"""A guided end-to-end run with real parts on loopback: DNS, SMTP, MCP, a person's approval, a relay."""
