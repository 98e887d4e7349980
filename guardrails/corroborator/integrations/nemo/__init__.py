"""Rails for NeMo Guardrails (extra ``nemo``).

A configuration names them, and nothing else is needed::

    import_paths: [corroborator/integrations/nemo/rails]
    rails:
      input: {flows: [corroborator check input]}
      output: {flows: [corroborator check output]}

This package itself imports no NeMo, so that configurations can be checked without it.
"""
