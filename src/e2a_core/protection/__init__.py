"""Protection: which mail an agent's owner lets through, holds or blocks, in each direction."""
