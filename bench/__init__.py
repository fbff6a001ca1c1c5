"""Side-by-side measurements against the peers: `python -m bench`, or `make bench`."""
