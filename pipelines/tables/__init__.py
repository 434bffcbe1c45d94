"""What the lake holds: contracts, record kinds, version chains, scopes and named queries."""
