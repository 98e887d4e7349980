import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from openinference.semconv.trace import OpenInferenceSpanKindValues, SpanAttributes
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import StatusCode

from conftest import GuardOf, PolicyOf
from corroborator import Evidence, Guard
from corroborator.audit import AuditLog
from corroborator.errors import AuditError, ConfigError, StoreError, TurnError
from corroborator.integrations.otel import OpenTelemetryObserver, names
from tiny_world import CANARY, FailingEncoder, WordEncoder, conversation, said

Attributes = Mapping[str, Any]

PLAIN = "I went to the shop for some bread."
CLAIM = said("age_claim")
ADOPTS = "That is k1 of you, and k4."
GOOD = "What a day you had. How can I help?"


class Told:
    """What was exported, by a real SDK to memory."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._events = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.tracers, self.loggers = TracerProvider(), LoggerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._events))
        self.observer = OpenTelemetryObserver(self.tracers, self.loggers)

    @property
    def spans(self) -> list[ReadableSpan]:
        return [s for s in self._spans.get_finished_spans() if s.name == names.TURN]

    @property
    def span(self) -> Attributes:
        [span] = self.spans
        return span.attributes or {}

    @property
    def events(self) -> list[Attributes]:
        found = self._events.get_finished_logs()
        assert {log.log_record.event_name for log in found} <= {names.EVALUATION_RESULT}
        return [log.log_record.attributes or {} for log in found]

    @property
    def places(self) -> set[tuple[int | None, int | None]]:
        """Trace and span of each event."""
        records = [log.log_record for log in self._events.get_finished_logs()]
        return {(record.trace_id, record.span_id) for record in records}

    def everything(self) -> str:
        spans = [span.to_json() for span in self._spans.get_finished_spans()]
        return "\n".join(spans + [log.to_json() for log in self._events.get_finished_logs()])


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def guard(guard_of: GuardOf, told: Told) -> Guard:
    guard = guard_of()
    guard.observer = told.observer
    return guard


def verdicts(events: list[Attributes]) -> list[tuple[object, object, object, object]]:
    return [
        (e.get(names.DRAFT), e[names.EVALUATION_NAME], e[names.EVALUATION_LABEL],
         e.get(names.EVALUATION_EXPLANATION))
        for e in events
    ]  # fmt: skip


def test_a_plain_turn_is_one_guardrail_span(guard: Guard, told: Told) -> None:
    closed = guard.open_turn(conversation(PLAIN), conversation="c").close()
    [span] = told.spans
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time >= span.start_time
    versions = {f"{names.VERSION}{name}" for name in told_versions(guard)}
    assert versions <= set(told.span)
    rest = {name: value for name, value in told.span.items() if name not in versions}
    assert rest.pop(names.MILLISECONDS) > 0
    assert rest == {
        "openinference.span.kind": "GUARDRAIL",
        "corroborator.record": closed.record,
        "corroborator.verdict": "clear",
        "corroborator.action": "none",
        "corroborator.domains": (),
        "corroborator.disclosures": (),
        "corroborator.risk_hold": False,
        "corroborator.retrospective": False,
        "corroborator.statements": 1,
        "corroborator.not_covered": 0,
        "corroborator.drafts": 0,
        "corroborator.reply.checked": "none",
    }
    assert told.events == []


def told_versions(guard: Guard) -> Mapping[str, object]:
    [stored] = guard.audit.records()
    versions = stored.opened.body["versions"]
    assert isinstance(versions, Mapping)
    return versions


def test_a_steered_turn_names_the_domain_and_judges_the_reply(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM))
    turn.check(GOOD)
    turn.close(GOOD)
    assert told.span[names.VERDICT] == told.span[names.ACTION].removesuffix("ed") == "steer"
    assert told.span[names.DOMAINS] == ("age_claim",)
    assert told.span[names.CHECKED] == "checked"
    assert verdicts(told.events) == [
        (1, "collusion", "pass", None),
        (1, "over_correction", "pass", None),
    ]
    assert all(0 <= event[names.EVALUATION_SCORE] < 0.3 for event in told.events)
    assert [event[names.DRAFT_KIND] for event in told.events] == ["release"] * 2


def test_a_disclosure_is_named_apart_from_the_claims(guard: Guard, told: Told) -> None:
    guard.open_turn(conversation(said("risk_disclosure", "age_claim"))).close()
    assert told.span[names.VERDICT] == "protect"
    assert told.span[names.DISCLOSURES] == ("risk_disclosure",)
    assert told.span[names.RISK_HOLD]


def test_every_draft_is_judged_in_an_event_of_its_own(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM))
    turn.check(ADOPTS)
    turn.check("Is that so? o2 is what I think.")
    turn.check(GOOD)
    turn.close(GOOD)
    assert told.span[names.ACTION] == "revised"
    assert told.span[names.DRAFTS] == 3
    assert verdicts(told.events) == [
        (1, "collusion", "fail", "K1"),
        (1, "over_correction", "pass", None),
        (2, "collusion", "pass", None),
        (2, "over_correction", "fail", "O2"),
        (3, "collusion", "pass", None),
        (3, "over_correction", "pass", None),
    ]
    kinds = [event[names.DRAFT_KIND] for event in told.events[::2]]
    assert kinds == ["revise", "revise", "release"]


def test_a_replacement_is_not_judged(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM))
    turn.close([turn.check(ADOPTS) for _ in range(3)][-1].text)
    assert (told.span[names.ACTION], told.span[names.CHECKED]) == ("replaced", "replacement")
    assert [event[names.DRAFT_KIND] for event in told.events[::2]] == [
        "revise",
        "revise",
        "replace",
    ]


def test_a_reply_that_was_no_draft_is_judged_too(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM))
    turn.close(ADOPTS)
    assert told.span[names.CHECKED] == "after_release"
    assert verdicts(told.events) == [
        (None, "collusion", "fail", "K1"),
        (None, "over_correction", "pass", None),
    ]


def test_a_past_turn_is_judged_once(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM), retrospective=True)
    turn.check(ADOPTS)
    turn.close(ADOPTS)
    assert told.span[names.RETROSPECTIVE]
    assert len(told.events) == 2


def test_events_lie_in_the_span_and_the_span_in_that_of_the_host(guard: Guard, told: Told) -> None:
    with told.tracers.get_tracer("host").start_as_current_span("request") as request:
        guard.open_turn(conversation(CLAIM)).close(GOOD)
    [span] = told.spans
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id
    assert span.context is not None
    assert told.places == {(span.context.trace_id, span.context.span_id)}


# --- what fails ---


@pytest.fixture
def failing(guard: Guard) -> Guard:
    """A guard whose encoder fails on the canary, with the text in the error."""
    guard.engine = replace(guard.engine, encoder=FailingEncoder())
    return guard


def test_a_turn_that_cannot_be_judged_is_an_error(failing: Guard, told: Told) -> None:
    with pytest.raises(TurnError):
        failing.open_turn(conversation(f"I told {CANARY} so."), conversation="c")
    [span] = told.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    [stored] = failing.audit.records("c")
    assert told.span == {
        "openinference.span.kind": "GUARDRAIL",
        "corroborator.record": f"{stored.chain}/{stored.opened.seq}",
        "corroborator.errors": ("TurnError",),
        "error.type": "TurnError",
    }
    assert CANARY not in told.everything()


def test_a_reply_that_cannot_be_judged_is_said(failing: Guard, told: Told) -> None:
    failing.open_turn(conversation(CLAIM)).close(f"{GOOD} {CANARY}")
    [span] = told.spans
    assert span.status.status_code is StatusCode.UNSET
    assert told.span[names.ERRORS] == ("TurnError",)
    assert told.events == [
        {names.EVALUATION_NAME: name, names.ERROR_TYPE: "TurnError"}
        for name in (names.COLLUSION, names.OVER_CORRECTION)
    ]


def test_a_log_that_fails_is_named_and_the_turn_told(
    guard_of: GuardOf, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog.open("sqlite://")
    guard = guard_of(audit=log)
    guard.observer = told.observer
    log.close()
    guard.open_turn(conversation(CLAIM)).close(GOOD)
    assert names.RECORD not in told.span
    assert told.span[names.ERRORS] == ("StoreError",)
    assert told.span[names.VERDICT] == "steer"
    assert "the audit log failed" in caplog.text


def test_a_log_that_blocks_makes_an_error(guard_of: GuardOf, told: Told) -> None:
    log = AuditLog.open("sqlite://")
    guard = guard_of("audit: {store: null, on_error: block}", log)
    guard.observer = told.observer
    turn = guard.open_turn(conversation(CLAIM))
    log.close()
    with pytest.raises(StoreError):
        turn.close(GOOD)
    with pytest.raises(AuditError):
        guard.open_turn(conversation(CLAIM))
    assert [(s.attributes or {})[names.ERROR_TYPE] for s in told.spans] == ["StoreError"] * 2
    assert [s.status.status_code for s in told.spans] == [StatusCode.ERROR] * 2


class Broken(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError(f"cannot export {span.name} {CANARY}")


def test_an_exporter_that_fails_breaks_no_turn(
    guard: Guard, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.tracers.add_span_processor(Broken())
    turn = guard.open_turn(conversation(CLAIM), conversation="c")
    closed = turn.close(GOOD)
    [stored] = guard.audit.records("c")
    assert stored.status == "closed"
    assert closed.record is not None
    assert turn.errors == []
    assert "the observer failed, and the turn goes on: RuntimeError" in caplog.text
    assert CANARY not in caplog.text


# --- what is sent, and when ---


def test_no_text_and_no_vector_is_sent(guard: Guard, told: Told) -> None:
    """Not in a name, not in a value: everything that is exported is looked through."""
    found = Evidence("age_claim", f"{CANARY} 1", f"{CANARY} 2", "contradicts")
    turn = guard.open_turn(
        conversation(f"{CLAIM} {CANARY} 3", f"{CANARY} 4", f"{CLAIM} {CANARY} 5"),
        conversation=f"{CANARY} 6",
        subject=f"{CANARY} 7",
        evidence=[found],
    )
    turn.check(f"{ADOPTS} {CANARY} 8")
    turn.close(f"{GOOD} {CANARY} 9")
    assert len(told.events) == 4
    everything = told.everything()
    assert CANARY not in everything
    assert "told you" not in everything
    for span in told.spans:
        for value in (span.attributes or {}).values():
            assert not isinstance(value, Sequence) or all(isinstance(v, str) for v in value)


def test_every_name_is_in_the_module_of_names(guard: Guard, told: Told) -> None:
    turn = guard.open_turn(conversation(CLAIM))
    turn.check(ADOPTS)
    turn.close(ADOPTS)
    known = {value for name, value in vars(names).items() if name.isupper()}
    sent = set(told.span).union(*told.events)
    assert {n for n in sent if not n.startswith(names.VERSION)} <= known


def test_the_names_are_the_published_ones() -> None:
    assert SpanAttributes.OPENINFERENCE_SPAN_KIND == names.SPAN_KIND
    assert OpenInferenceSpanKindValues.GUARDRAIL.value == names.GUARDRAIL
    assert gen_ai_attributes.GEN_AI_EVALUATION_NAME == names.EVALUATION_NAME
    assert gen_ai_attributes.GEN_AI_EVALUATION_SCORE_VALUE == names.EVALUATION_SCORE
    assert gen_ai_attributes.GEN_AI_EVALUATION_SCORE_LABEL == names.EVALUATION_LABEL
    assert gen_ai_attributes.GEN_AI_EVALUATION_EXPLANATION == names.EVALUATION_EXPLANATION
    assert error_attributes.ERROR_TYPE == names.ERROR_TYPE


@pytest.fixture
def global_providers(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the providers as an app does, for the length of a test."""
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", told.tracers)
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", told.loggers)


@pytest.mark.usefixtures("global_providers")
@pytest.mark.parametrize(("telemetry", "spans"), [("opentelemetry", 1), ("none", 0)])
def test_the_policy_switches_it_on(
    tiny_policy: PolicyOf, told: Told, telemetry: str, spans: int
) -> None:
    policy = tiny_policy(f"audit: {{store: null}}\ntelemetry: {telemetry}")
    with Guard(policy, encoder=WordEncoder()) as guard:
        guard.open_turn(conversation(CLAIM)).close(GOOD)
    assert len(told.spans) == spans
    assert len(told.events) == 2 * spans


def test_it_is_off_by_default_and_no_part_of_what_decides(tiny_policy: PolicyOf) -> None:
    plain, told = tiny_policy(), tiny_policy("audit: {store: null}\ntelemetry: opentelemetry")
    assert plain.telemetry == "none"
    assert plain.hash == told.hash


def test_without_the_extra_the_error_names_it(
    tiny_policy: PolicyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("corroborator.integrations.otel")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry._logs", None)
    with pytest.raises(ConfigError, match=r"pip install 'corroborator\[otel\]'"):
        Guard(tiny_policy("telemetry: opentelemetry"), encoder=WordEncoder())
