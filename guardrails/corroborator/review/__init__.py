"""The review desk: people read turns, judge them, and correct the detectors.

`corroborator.review.tables` says what is kept, `corroborator.review.app` serves the pages. The
modules without pages in them need none of the extra ``[review]``.
"""
