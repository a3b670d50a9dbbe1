"""Tests of e2a_core.outbound."""
