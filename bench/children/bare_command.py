"""A command line with one command and nothing behind it."""

from __future__ import annotations

from cyclopts import App

app = App(name="bare", version="1.0")


@app.command
def hello(name: str) -> None:
    """Greet somebody."""


if __name__ == "__main__":
    app()
