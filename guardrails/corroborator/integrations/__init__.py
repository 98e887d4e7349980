"""Adapters for host frameworks; each is imported only where its host is installed."""
