"""YAML that every reader takes for the same: those of YAML 1.1 (PyYAML) and 1.2 (yq, Go, Ruby)."""

from __future__ import annotations

import re

import yaml
from yaml.emitter import ScalarAnalysis


def to_yaml(document: object, *, ascii_only: bool) -> str:
    """Write a document that was read from JSON.

    A text is quoted where either version of YAML would read a number or a flag. Characters that
    do not print are escaped; with ``ascii_only`` all beyond ASCII.
    """
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=not ascii_only, width=100
    )


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper, which knows YAML 1.1 alone and lets all of Unicode through."""

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Say in which styles a text may stand: only as escaped where it does not print."""
        analysis: ScalarAnalysis = super().analyze_scalar(scalar)
        if not scalar.isprintable():
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Write a text in quotes; one that does not print, in ASCII."""
        allowed = self.allow_unicode
        self.allow_unicode = allowed and text.isprintable()
        super().write_double_quoted(text, split)
        self.allow_unicode = allowed


# https://yaml.org/spec/1.2.2/#103-core-schema, and from YAML 1.1 the flags that PyYAML leaves out.
for _tag, _pattern, _first in (
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("int", r"0o[0-7]+|0x[0-9a-fA-F]+", "0"),
    ("bool", r"[yYnN]", "yYnN"),
):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )
