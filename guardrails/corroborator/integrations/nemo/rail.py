"""Our rails in the form that NeMo's next engine reads: a manifest, found by an entry point.

NeMo 0.24 reads manifests of its own package alone, so nothing asks for this yet; it is here for the
release that does. Its engine IORails then runs the actions without the app around them, and they
refuse: what makes a turn (its steering, its one record) needs the app. See docs/nemo.md.
"""

from nemoguardrails.manifests import (
    ActionRef,
    Binding,
    RailActions,
    RailDirection,
    RailFlows,
    RailManifest,
    RailMetadata,
    RailPrivacy,
    RailSpec,
    RailSurface,
    TransformTarget,
)

from corroborator.integrations.nemo.check import INPUT_FLOW, OUTPUT_FLOW

_MODULE = "corroborator.integrations.nemo.actions"
_INPUT = ActionRef(name="corroborator_check_input", target=f"{_MODULE}:check_input")
_OUTPUT = ActionRef(name="corroborator_check_output", target=f"{_MODULE}:check_output")

RAIL = RailManifest(
    name="corroborator",
    metadata=RailMetadata(
        display_name="Corroborator",
        categories=("input", "output"),
        capabilities=("allow", "block", "classify", "transform"),
    ),
    spec=RailSpec(
        flows=RailFlows(flow_names=(INPUT_FLOW, OUTPUT_FLOW)),
        actions=RailActions(refs=(_INPUT, _OUTPUT)),
        surfaces=(
            RailSurface(
                name=INPUT_FLOW,
                direction=RailDirection.INPUT,
                action=_INPUT,
                bindings=(Binding.context("text", "user_message"),),
                transform_target=TransformTarget.USER_MESSAGE,
            ),
            RailSurface(
                name=OUTPUT_FLOW,
                direction=RailDirection.OUTPUT,
                action=_OUTPUT,
                bindings=(Binding.context("text", "bot_message"),),
                transform_target=TransformTarget.BOT_MESSAGE,
            ),
        ),
        privacy=RailPrivacy(),
    ),
)
"""What ``[project.entry-points."nemoguardrails.rails"]`` names."""
