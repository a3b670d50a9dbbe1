"""Transports: the ways a composed message can leave this deployment."""
