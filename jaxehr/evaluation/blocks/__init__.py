"""Records as arrays that every measure reads, and distances between them."""
