"""`e2a listen`: mail of one inbox as it comes, in the terminal or handed to a program of one's own."""
