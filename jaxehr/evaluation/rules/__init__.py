"""Rules of medicine that records should keep, in a file that a clinician can write."""
