"""`e2a doctor`: looks at a deployment from outside and inside, changes nothing, and says what to do."""
