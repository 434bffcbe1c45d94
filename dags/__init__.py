"""When the platform's stages run: one file a DAG, no logic."""
