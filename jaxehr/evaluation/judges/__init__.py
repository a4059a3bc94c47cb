"""Which measures there are of some records, with their floors and intervals, and what they say together."""
