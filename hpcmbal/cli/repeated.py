"""An option that counts once and is given twice is an error: the first one would go without a word."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hpcmbal.errors import SettingsError


def refuse_repeated_options(command: Any) -> None:
    """Let `command`, and every command inside it, refuse options with a value that are given twice.

    Switches may be repeated, which changes nothing, and options that take several values by being repeated.

    Args:
        command: A command or group as Typer makes them; changed in place.
    """
    for inner in getattr(command, "commands", {}).values():
        refuse_repeated_options(inner)
    parse = command.parse_args

    def parse_once(ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, given = command.make_parser(ctx).parse_args(args=list(args))
            for parameter, count in Counter(given).items():
                if count > 1 and _counts_once(parameter):
                    times = "twice" if count == 2 else f"{count} times"
                    raise SettingsError(f"{parameter.opts[0]} is given {times}; it counts once. Leave all but one out.")
        parsed: list[str] = parse(ctx, args)
        return parsed

    command.parse_args = parse_once


def _counts_once(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not parameter.multiple and not parameter.is_flag
