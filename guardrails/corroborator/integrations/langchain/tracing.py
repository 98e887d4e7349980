"""What of the guard a tracer gets to see."""

from typing import Any

try:
    from langgraph.types import TracePolicy, omit_payload

    NO_INPUTS: Any = TracePolicy(process_inputs=omit_payload)
    """The guard's own span holds no conversation and no ledger; the model's span has the former."""
except ImportError:  # LangChain 1.3
    NO_INPUTS = None
