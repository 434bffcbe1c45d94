"""What the parameters of every model family share."""

from __future__ import annotations

NO_LIMIT = float("inf")


def check_ranges(params: object, **ranges: tuple[float, float]) -> None:
    """Refuse a field outside its ``(low, high)``, naming the parameter, the value and what is allowed.

    Raises
    ------
    ValueError
        If a value is outside the closed range.
    """
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        if not low <= value <= high:
            allowed = f"at least {low:g}" if high == NO_LIMIT else f"within {low:g}..{high:g}"
            msg = f"{name}={value} must be {allowed}"
            raise ValueError(msg)


class FamilyParams:
    """Base of a family's own parameters: a frozen, keyword-only dataclass in which every field has a default.

    Its fields are the settings ``models.<family>.<field>``.
    """

    __slots__ = ()

    def check_horizon(self, horizon_sessions: int) -> None:
        """Refuse parameters that do not suit the run of a label; called as settings load.

        Raises
        ------
        ValueError
            Starting with ``<field>=<value>``, and saying what is allowed.
        """
