"""The house rules that no other checker holds, each a small pure function over one file.

Owns the list of rules. A rule takes a parsed module or a text, with the file's path in the
repository, and yields findings; it must not read files, run programs or know the command line
(`tools/tidy.py` does).
Invariant: a rule names exactly what it refuses and has no switch to silence it. Where a rule proves
wrong, the rule is refined here, with a sample in `tests/tools`.
"""

from tidy_rules import (
    django_use,
    docstrings,
    floats,
    names,
    ownership,
    purity,
    repository,
    shape,
    templates,
)
from tidy_rules.findings import TextRule, TreeRule

TREE_RULES: tuple[TreeRule, ...] = (
    shape.function_length,
    names.module_and_class_words,
    names.function_verbs,
    docstrings.module_docstring,
    docstrings.public_docstrings,
    floats.no_float,
    floats.no_true_division,
    purity.pure_modules,
    purity.clock_reads,
    django_use.no_signals,
    django_use.no_logic_in_save,
    django_use.no_foreign_key_across_packages,
    django_use.transactions_in_services,
    ownership.sql_in_python,
    ownership.model_writes,
)

TEXT_RULES: tuple[TextRule, ...] = (
    shape.module_length,
    shape.line_length,
    ownership.sql_in_files,
    templates.no_inline_code,
    templates.no_foreign_assets,
    repository.no_registry_hosts,
    repository.locked_requirements,
)
