"""Loads a source into its raw file: one sync at a time, completely or not at all."""
