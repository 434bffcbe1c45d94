"""What the parameters of every model family share."""

from __future__ import annotations


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Refuse a value outside ``low..high``, naming the parameter, the value and what is allowed.

    Raises
    ------
    ValueError
        If `value` is outside the closed range.
    """
    if not low <= value <= high:
        allowed = f"at least {low:g}" if high == float("inf") else f"within {low:g}..{high:g}"
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
