"""One file a revision; none is ever edited after a release."""
