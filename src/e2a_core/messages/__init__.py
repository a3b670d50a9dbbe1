"""Messages: reading, listing, searching, labelling and trashing the mail of an inbox."""
