"""Every name of a span, event or attribute that we send.

- ``gen_ai.*`` are those of the event ``gen_ai.evaluation.result`` in the OpenTelemetry semantic
  conventions for generative AI, release 0.1.0, status: development
  (https://github.com/open-telemetry/semantic-conventions-genai).
- ``error.type`` is that of the OpenTelemetry semantic conventions, stable.
- ``openinference.span.kind`` is that of OpenInference
  (https://arize-ai.github.io/openinference/spec/general/span-kinds.html).
- ``corroborator.*`` are our own.
"""

TURN = "corroborator.turn"
"""The span of a turn, from its opening to its close."""

SPAN_KIND = "openinference.span.kind"
GUARDRAIL = "GUARDRAIL"

ERROR_TYPE = "error.type"

EVALUATION_RESULT = "gen_ai.evaluation.result"
"""The event of one judgement of one draft or reply."""

EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"

COLLUSION = "collusion"
OVER_CORRECTION = "over_correction"
PASS, FAIL = "pass", "fail"
"""Labels: whether the probability, which is the score, stays below its threshold."""

RECORD = "corroborator.record"
VERDICT = "corroborator.verdict"
ACTION = "corroborator.action"
DOMAINS = "corroborator.domains"
DISCLOSURES = "corroborator.disclosures"
RISK_HOLD = "corroborator.risk_hold"
RETROSPECTIVE = "corroborator.retrospective"
STATEMENTS = "corroborator.statements"
NOT_COVERED = "corroborator.not_covered"
DRAFTS = "corroborator.drafts"
CHECKED = "corroborator.reply.checked"
MILLISECONDS = "corroborator.milliseconds"
ERRORS = "corroborator.errors"
VERSION = "corroborator.version."
"""Before the name of each version in the record."""

DRAFT = "corroborator.draft"
"""Which draft of the turn an event is about, from 1; not there on a reply that was no draft."""

DRAFT_KIND = "corroborator.draft.kind"
"""``release``, ``revise`` or ``replace``."""
