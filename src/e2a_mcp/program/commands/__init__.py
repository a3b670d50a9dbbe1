"""The commands that act on a deployment through the contract: the own home, or one elsewhere."""
