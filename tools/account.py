"""The account of self-report as Markdown: the generated parts of ``docs/account.md``."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from corroborator.exemplars import shipped_exemplars
from corroborator.taxonomy import Domain, Evidence, Handling, Protected, load_taxonomy
from corroborator.texts import load_texts
from corroborator.yaml_file import read_yaml

EXAMPLES = Path(__file__).parents[1] / "docs" / "account_examples.yml"

DIRECTION = {
    "under": "reports tend to be lower or milder than what is measured",
    "over": "reports tend to be higher or surer than what is measured",
    "both": "reports differ from what is measured in both directions",
    "unverifiable": "nothing said in a conversation can show it either way",
}
DIRECTION_BRIEF = {
    "under": "lower or milder",
    "over": "higher or surer",
    "both": "either",
    "unverifiable": "cannot be shown",
}
HANDLING = {
    Handling.PROTECT: "accepts at once what adds protection, and acts",
    Handling.CORROBORATE: "relies on it only after a step that bears on it, and helps with that step",
    Handling.BALANCE: "says whose account it is, and names the view that is missing",
    Handling.GROUND: "stays with the feeling; neither adopts nor argues",
    Handling.NO_VOUCHING: "helps to tell it in the person's own words, and attests nothing",
    Handling.CLOSE_LOOP: "answers once, then names the loop kindly",
    Handling.GATE: "leaves it to the application to verify, with the same safety for all",
}


def parts() -> dict[str, Callable[[], str]]:
    """Return the generated parts by name."""
    return {
        "account_state": state,
        "account_index": index,
        "account_domains": domains,
        "account_protected": protected,
    }


def state() -> str:
    """Return who has checked what, in one paragraph."""
    taxonomy = load_taxonomy()
    entries = (*taxonomy.domains.values(), *taxonomy.protected.values())
    evidence = [item for entry in entries for item in entry.evidence]
    signed = taxonomy.clinical_review
    return (
        f"State: {len(taxonomy.domains)} kinds of statement and {len(taxonomy.protected)} disclosures; "
        f"{len(evidence)} findings from {len({item.source for item in evidence})} sources. "
        "Compared with the full paper by somebody of this project, and marked so: "
        f"{sum(item.checked for item in evidence)}; the others were mostly read as abstracts. "
        "Signed by somebody clinically qualified: "
        f"{'nobody yet' if signed == 'none' else signed}.\n"
    )


def index() -> str:
    """Return a table of all entries with links."""
    taxonomy = load_taxonomy()
    rows = [
        f"| [{entry.title}](#{name}) | {DIRECTION_BRIEF[entry.direction]} | {_grades(entry)}"
        f" | {entry.severity} |"
        for name, entry in taxonomy.domains.items()
    ]
    disclosures = [
        f"| [{entry.title}](#{name}) | {entry.order} |"
        for name, entry in taxonomy.protected.items()
    ]
    return "\n".join(
        [
            "| what is said | than measured, reports tend to be | best evidence | if a reply adopts it |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "| what is disclosed | order |",
            "| --- | --- |",
            *disclosures,
            "",
        ]
    )


def domains() -> str:
    """Return an entry for each domain."""
    steering = load_texts().steering.domains
    return (
        "\n\n".join(
            _domain(name, entry, steering[name].guidance)
            for name, entry in load_taxonomy().domains.items()
        )
        + "\n"
    )


def protected() -> str:
    """Return an entry for each protected disclosure."""
    entries = load_taxonomy().protected.items()
    return "\n\n".join(_disclosure(name, entry) for name, entry in entries) + "\n"


def _domain(name: str, entry: Domain, guidance: str) -> str:
    handling = "; ".join(HANDLING[way] for way in entry.handling)
    return "\n\n".join(
        [
            _heading(name, entry.title, f"if a reply adopts it: {entry.severity}"),
            entry.definition,
            f"**Direction.** {DIRECTION[entry.direction].capitalize()}.",
            f"**What a reply would rest on.** {entry.reliance}",
            _evidence(entry.evidence, entry.evidence_note),
            _listed("What would corroborate it, easiest first", entry.corroboration, "1."),
            f"**A good reply** {handling}. The model is told:\n\n> {guidance}",
            _listed("Not meant", entry.not_triggers),
            _examples(name, "Counts"),
        ]
    )


def _disclosure(name: str, entry: Protected) -> str:
    return "\n\n".join(
        [
            _heading(name, entry.title, "before every other" if entry.order == "emergency" else ""),
            entry.definition,
            f"**What to do.** {entry.default_reply}",
            _listed("Never", entry.must_not),
            _evidence(entry.evidence, entry.evidence_note),
            _examples(name, "Is one"),
        ]
    )


def _heading(name: str, title: str, more: str) -> str:
    return f'<a id="{name}"></a>\n\n### {title}\n\n`{name}`{more and ", "}{more}'


def _evidence(evidence: Iterable[Evidence], note: str | None) -> str:
    lines = [
        f"{item.claim} *{item.source.rstrip('.')}.*{_doi(item)} ({item.grade}"
        f"{', compared with the full paper' if item.checked else ''})"
        for item in evidence
    ]
    return _listed("Evidence", [*lines, *([note] if note else [])])


def _doi(item: Evidence) -> str:
    return f" [doi {item.doi}](https://doi.org/{item.doi})" if item.doi else ""


def _grades(entry: Domain) -> str:
    order = ("strong", "moderate", "weak", "expert")
    return min((item.grade for item in entry.evidence), key=order.index, default="none quoted")


def _listed(title: str, lines: Iterable[str], mark: str = "-") -> str:
    return "\n".join([f"**{title}.**\n", *(f"{mark} {line}" for line in lines)])


def _examples(family: str, yes: str) -> str:
    chosen = _chosen()[family]
    rows = [
        f"| {label} | {_cell(_exemplar(f'{family}-{number}'))} |"
        for label, numbers in ((yes, chosen["examples"]), ("Near miss", chosen["near_misses"]))
        for number in numbers
    ]
    return "\n".join(["| | made-up example |", "| --- | --- |", *rows])


def _exemplar(name: str) -> str:
    try:
        return _texts()[name]
    except KeyError:
        raise SystemExit(f"{EXAMPLES}: no exemplar is called {name}; choose another") from None


@cache
def _texts() -> Mapping[str, str]:
    return {item.id: item.text for item in shipped_exemplars(load_taxonomy())}


@cache
def _chosen() -> Mapping[str, Mapping[str, list[str]]]:
    data: Mapping[str, Mapping[str, list[str]]] = read_yaml(
        EXAMPLES.read_bytes(), EXAMPLES.name
    ).data
    return data


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
