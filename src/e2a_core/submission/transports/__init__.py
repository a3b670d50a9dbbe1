"""Transports: the ways to deliver or submit a composed message."""
