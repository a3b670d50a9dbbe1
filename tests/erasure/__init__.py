"""Tests of e2a_core.erasure."""
