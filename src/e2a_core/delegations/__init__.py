"""Delegations: the people an agent acts for, so that their authenticated mail is marked as such."""
