"""Corroborator: non-collusion guardrails for conversational AI."""

__version__ = "0.1.0"
