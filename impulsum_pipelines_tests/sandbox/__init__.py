"""Tests of the sandbox itself: it must behave as the vendors do, or tests against it prove nothing."""
