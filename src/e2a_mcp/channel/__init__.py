"""The channel into a running Claude Code session: the owner's mail goes in, permission prompts go out."""
