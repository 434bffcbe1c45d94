"""What every room may know: errors, reports, protocols, the list of stages."""
