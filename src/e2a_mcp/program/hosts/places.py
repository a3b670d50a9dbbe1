"""Where in a document something stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Item", "Place", "Step", "find", "shown"]


@dataclass(frozen=True, slots=True)
class Item:
    """The element of a list whose member `name` is `value`."""

    name: str
    value: str

    def matches(self, element: object) -> bool:
        return isinstance(element, dict) and element.get(self.name) == self.value


Step = str | Item
Place = tuple[Step, ...]


def shown(place: Place) -> str:
    """The place as a person reads it: `mcpServers.e2a`."""
    return ".".join(step if isinstance(step, str) else f"{step.name}={step.value}" for step in place)


def find(document: Any, place: Place) -> tuple[bool, Any]:
    """Returns whether something stands at `place`, and what."""
    for step in place:
        if isinstance(step, Item):
            if not isinstance(document, list):
                return False, None
            element = next((each for each in document if step.matches(each)), None)
            if element is None:
                return False, None
            document = element
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return False, None
    return True, document
