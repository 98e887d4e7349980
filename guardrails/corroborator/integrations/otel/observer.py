"""A turn that is over as a span, and each judgement of a draft or reply as an event in it.

The span's parent is the span that is current where the turn is closed: the host's request.
"""

import time
from collections.abc import Iterator

from opentelemetry._logs import LoggerProvider, get_logger
from opentelemetry.trace import (
    Span,
    StatusCode,
    TracerProvider,
    get_tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from corroborator.audit.bodies import ClosedBody
from corroborator.integrations.otel import names
from corroborator.observing import TurnReport
from corroborator.stored_record import Detail, StoredAssessment
from corroborator.version import __version__

Attributes = dict[str, AttributeValue]

_LIBRARY = "corroborator"
_LATE = "after_release"


class OpenTelemetryObserver:
    """Sends a span and its events for each turn; safe to share between threads and tasks.

    Args:
        tracer_provider: where spans go; by default the one that the app has set.
        logger_provider: where events go; the same.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self._tracer = get_tracer(_LIBRARY, __version__, tracer_provider)
        self._logger = get_logger(_LIBRARY, __version__, logger_provider)

    def __call__(self, report: TurnReport) -> None:
        """Send what is told of a turn."""
        detail = None if report.detail is None else Detail.model_validate(report.detail)
        span = self._tracer.start_span(
            names.TURN, start_time=report.started, attributes=_of_turn(report, detail)
        )
        try:
            if detail is None:
                span.set_status(StatusCode.ERROR)
            else:
                self._tell(detail, span)
        finally:
            span.end()

    def _tell(self, detail: Detail, span: Span) -> None:
        context = set_span_in_context(span)
        for attributes in _evaluations(detail):
            self._logger.emit(
                event_name=names.EVALUATION_RESULT,
                timestamp=time.time_ns(),
                context=context,
                attributes=attributes,
            )


def _of_turn(report: TurnReport, detail: Detail | None) -> Attributes:
    told: Attributes = {names.SPAN_KIND: names.GUARDRAIL}
    if report.record is not None:
        told[names.RECORD] = report.record
    if report.errors:
        told[names.ERRORS] = report.errors
    if detail is None:
        return {**told, names.ERROR_TYPE: report.errors[-1]}
    body, decision = ClosedBody.model_validate(report.body), detail.decision
    return {
        **told,
        names.VERDICT: decision.verdict,
        names.ACTION: body.action,
        names.DOMAINS: decision.domains,
        names.DISCLOSURES: decision.protected,
        names.RISK_HOLD: decision.risk_hold,
        names.RETROSPECTIVE: detail.retrospective,
        names.STATEMENTS: detail.statements,
        names.NOT_COVERED: detail.not_covered,
        names.DRAFTS: len(detail.drafts),
        names.CHECKED: "none" if detail.reply is None else detail.reply.checked,
        names.MILLISECONDS: body.milliseconds or 0.0,
        **{f"{names.VERSION}{name}": str(version) for name, version in body.versions.items()},
    }


def _evaluations(detail: Detail) -> Iterator[Attributes]:
    """Yield the judgements of each draft, and of a reply that was no draft."""
    for number, draft in enumerate(detail.drafts, start=1):
        about: Attributes = {names.DRAFT: number, names.DRAFT_KIND: draft.kind}
        yield from (about | judged for judged in _judged(draft))
    reply = detail.reply
    was_draft = detail.retrospective and detail.drafts
    if reply is not None and reply.checked == _LATE and not was_draft:
        yield from _judged(reply)


def _judged(text: StoredAssessment) -> Iterator[Attributes]:
    for name, score, fault, codes in (
        (names.COLLUSION, text.collusion, text.colludes, "K"),
        (names.OVER_CORRECTION, text.over_correction, text.over_corrects, "O"),
    ):
        if score is None:
            yield {names.EVALUATION_NAME: name, names.ERROR_TYPE: "TurnError"}
            continue
        marked = sorted({mark.code for mark in text.marked if mark.code.startswith(codes)})
        yield {
            names.EVALUATION_NAME: name,
            names.EVALUATION_SCORE: score,
            names.EVALUATION_LABEL: names.FAIL if fault else names.PASS,
            **({names.EVALUATION_EXPLANATION: " ".join(marked)} if marked else {}),
        }
