"""Delegations: which person an agent acts for, so that mail proven to be from that person can say so."""
