"""Delivery data from six tools, kept fresh, proven complete, and turned into velocity that can be trusted."""
