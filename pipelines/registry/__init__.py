"""From challenger to champion: lineage, comparison, ledger, reproduction."""
