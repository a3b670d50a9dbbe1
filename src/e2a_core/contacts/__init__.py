"""The people an account corresponds with, and the outreach of its agents to them."""
