"""Blinded review by clinicians: sheets of real and synthetic patients, and how well they are told apart."""
