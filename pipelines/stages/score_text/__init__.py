"""Score texts: class probabilities of each text by the active model."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="score_text",
    help="Score the sentiment of texts not scored yet.",
    chain="data",
    reads=("silver.text",),
    writes=("silver.text_scores",),
)
