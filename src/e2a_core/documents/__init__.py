"""Text and pictures of the files that mail carries, read in a process of their own."""
