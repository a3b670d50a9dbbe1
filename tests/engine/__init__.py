"""What a deployment does, told through the engine's contract, SMTP and DNS."""
