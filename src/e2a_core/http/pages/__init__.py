"""The pages for people: what runs, what waits for a decision, mail, and control of the account."""
