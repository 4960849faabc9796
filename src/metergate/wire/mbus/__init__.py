"""Wired M-Bus."""
