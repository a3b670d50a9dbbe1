"""Protection: an agent's rules for mail to accept, hold or block, in each direction."""
