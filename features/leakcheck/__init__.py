"""The firewall for features: disturb what a feature must not see, and look whether it changes."""
