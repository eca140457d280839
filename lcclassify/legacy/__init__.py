"""Published ALeRCE models, read from their pickles without running anything in them.

A pickle is a program; here its opcodes are interpreted as data (``pickles``), with a short list
of names it may use (``forests``, ``names``, ``arrays``), and what it describes is checked down to
the last node before it becomes a ``lcclassify.forest.HierarchicalForest``. Networks likewise:
``torch_files`` and ``joblib_files`` read the containers, ``modules``, ``networks`` and
``quantiles`` what they hold, to become a ``lcclassify.transformer.Transformer``.
"""

from lcclassify.legacy.reader import LegacyForest, read_forest, source_digest

__all__ = ["LegacyForest", "read_forest", "source_digest"]
