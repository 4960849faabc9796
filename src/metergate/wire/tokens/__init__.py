"""Tokens: numbers of digits that a customer types into a prepaid meter or a solar home system."""
