"""Verdicts on fitted approximations."""
