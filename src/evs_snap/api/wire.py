"""How an answer's JSON becomes typed records: in UTC, and lenient about everything but IDs.

One odd row must not spoil a listing: a field of an unexpected type becomes its empty value,
and unknown fields and statuses pass.
"""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

Model = TypeVar("Model", bound=BaseModel)

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?", re.ASCII).fullmatch
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_BUILDING = threading.Lock()


def parse_time(value: object) -> datetime | None:
    """Read an EVS timestamp (UTC, usually without a zone) as aware UTC, or None."""
    if isinstance(value, str):
        try:
            if _WITHOUT_ZONE(value):  # as EVS writes it; this is quicker than to replace the zone
                return datetime.fromisoformat(f"{value}+00:00")
            moment = datetime.fromisoformat(value.strip().upper())
        except ValueError:
            return None
    elif isinstance(value, datetime):
        moment = value
    else:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def _words(value: object) -> str:
    return _text(value) or ""


def _status(value: object) -> str:
    return value.lower() if isinstance(value, str) and value else "unknown"


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    return None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:  # EVS writes texts
        return value.lower() == "true"
    return None


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(k): _text(v) or "" for k, v in value.items()}


def _texts_or_none(value: object) -> dict[str, str] | None:
    return None if value is None else _texts(value)


def objects(value: object) -> list[object]:
    """Return the JSON objects of a list; an empty list for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


class Lenient:
    """Reads a field as it is annotated; what does not fit there is mended and read again.

    So values that are as documented cost no call into Python, which is most of what a row costs.
    """

    def __init__(self, mend: Callable[[object], object]) -> None:
        self._mend = mend

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return the schema: see https://docs.pydantic.dev/latest/concepts/types/#custom-types."""
        plain = handler(source)
        mended = core_schema.no_info_before_validator_function(self._mend, plain)
        return core_schema.union_schema([plain, mended], mode="left_to_right")


Text = Annotated[str | None, Lenient(_text)]
Words = Annotated[str, Lenient(_words)]
Status = Annotated[str, StringConstraints(min_length=1, to_lower=True), Lenient(_status)]
Number = Annotated[Annotated[int, Strict()] | None, Lenient(_number)]
Flag = Annotated[Annotated[bool, Strict()] | None, Lenient(_flag)]
Moment = Annotated[datetime | None, BeforeValidator(parse_time)]
Texts = Annotated[dict[str, str], Lenient(_texts)]
TextsOrNone = Annotated[dict[str, str] | None, Lenient(_texts_or_none)]
Identifier = Annotated[str, Field(min_length=1)]


class Wire(BaseModel):
    """What all records of the service have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True, populate_by_name=True)


def ready(model: type[Model]) -> type[Model]:
    """Return the model, built now if this is its first use; by one thread at a time.

    Pydantic is told not to look for plugins meanwhile: it would read the metadata of every
    package that is installed.
    """
    with _BUILDING:
        if not model.__pydantic_complete__:
            told = os.environ.get(_PLUGINS)
            os.environ[_PLUGINS] = "__all__"
            try:
                model.model_rebuild()
            finally:
                del os.environ[_PLUGINS]
                os.environ.update({_PLUGINS: told} if told is not None else {})
    return model
