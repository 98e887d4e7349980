"""Spans and events for OpenTelemetry (extra ``otel``), where a policy says ``telemetry``.

`corroborator.integrations.otel.names` holds every name that is sent.
"""

from corroborator.integrations.otel.observer import OpenTelemetryObserver

__all__ = ["OpenTelemetryObserver"]
