"""What all sections of the settings share: frozen, strict about unknown keys, names checked against a list."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A group of settings. Immutable; an unknown key is an error; each field's description is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def one_of(names: tuple[str, ...]) -> AfterValidator:
    """Validator for a name that must be in `names`."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def _split_commas(value: object) -> object:
    """Lists may be typed with commas, blanks and optional brackets: `0.3,0.4,0.3`, `[0.3, 0.4, 0.3]`, `0.3 0.4 0.3`."""
    if isinstance(value, str):
        return value.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    return value


FloatTuple = Annotated[tuple[float, ...], BeforeValidator(_split_commas)]
FloatPair = Annotated[tuple[float, float], BeforeValidator(_split_commas)]
FloatTriple = Annotated[tuple[float, float, float], BeforeValidator(_split_commas)]
