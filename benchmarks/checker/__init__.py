"""The blind test of the checker: losses as people write them, and the truth about each."""
