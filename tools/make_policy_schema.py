"""Write the JSON Schema of policy files, for completion and checks in editors.

Run ``python tools/make_policy_schema.py`` after a change of ``corroborator.policy``; a test fails
where the file is not the generated one.
"""

import json
from pathlib import Path
from typing import Any

from corroborator.policy import Policy
from corroborator.taxonomy import load_taxonomy

FILE = Path(__file__).parents[1] / "rails_config" / "schema" / "policy.schema.json"


def policy_schema() -> dict[str, Any]:
    """Return the schema of what users write: nothing is required, for a profile fills the rest."""
    schema = Policy.model_json_schema()
    taxonomy = load_taxonomy()
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    properties = schema["properties"]
    for section, rows in (("domains", taxonomy.domains), ("protected", taxonomy.protected)):
        entry = properties[section].pop("additionalProperties")
        properties[section]["properties"] = {
            name: {**entry, "description": row.title} for name, row in rows.items()
        }
        properties[section]["additionalProperties"] = False
    retention = schema["$defs"]["AuditPolicy"]["properties"]["retention"]
    retention["anyOf"] = [{"type": "string", "pattern": "^[1-9][0-9]{0,4}[hdw]$"}, {"type": "null"}]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(policy_schema(), indent=2) + "\n", "utf-8")
    print(f"wrote {FILE.name}")
