"""Adapters for host frameworks and for OpenTelemetry; each is imported only where it is used."""
