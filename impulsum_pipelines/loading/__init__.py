"""From a source to its raw file: one load at a time, all of it or none."""
