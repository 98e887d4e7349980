"""Send a span and events for each turn to OpenTelemetry; here to a list, in your app to a collector."""

from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from corroborator import Guard, parse_policy
from corroborator.demonstration import load_demonstration

tracers, spans = TracerProvider(), InMemorySpanExporter()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
loggers, events = LoggerProvider(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
loggers.add_log_record_processor(SimpleLogRecordProcessor(events))
_logs.set_logger_provider(loggers)

told = load_demonstration().conversations[0].turns[0]
with Guard(parse_policy("telemetry: opentelemetry")) as guard:
    turn = guard.open_turn([{"role": "user", "content": told.user}])
    turn.check(told.drafts.plain)
    turn.close(told.drafts.revised)

for span in spans.get_finished_spans():
    print(span.name, dict(span.attributes or {}))
for event in events.get_finished_logs():
    print(event.log_record.event_name, dict(event.log_record.attributes or {}))
