"""Messages: the rules of reading, listing, labelling and trashing what an inbox holds."""
