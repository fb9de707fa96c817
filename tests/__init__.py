"""Tests; the tree mirrors pedsearch."""
