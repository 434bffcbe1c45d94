"""Feature sets: named lists of features over views. A model reads the columns of its set and no others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from features.views import names_by_view, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """A named, ordered choice of features.

    Parameters
    ----------
    name : str
        Name of the set and of its Feast feature service.
    features : tuple of str
        Names in the order of a model's columns.

    Raises
    ------
    ValueError
        If no feature is named, one is named twice, or one that no view holds (with near matches).
    """

    name: str
    features: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the names against the registry of views."""
        # Messages begin with the settings key, so that settings can say which file gave the set.
        if not self.features:
            msg = f"sets.{self.name}=[] must name at least one feature of docs/features.md"
            raise ValueError(msg)
        doubled = sorted(name for name, count in Counter(self.features).items() if count > 1)
        if doubled:
            msg = f"sets.{self.name}={doubled}: named more than once; name each feature once"
            raise ValueError(msg)
        for name in self.features:
            try:
                view_of(name)
            except KeyError as error:
                msg = f"sets.{self.name}={[name]}: {error.args[0]}"
                raise ValueError(msg) from error

    def by_view(self) -> dict[str, tuple[str, ...]]:
        """Return the set's features by view, the primary view always there, and first."""
        return names_by_view(self.features)
