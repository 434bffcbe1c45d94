"""How the platform works: the stages, their runner and the rim to the outside."""
