"""What a notebook imports: data as the pipeline sees them, read and never written."""

from pipelines.notebook.training_rows import load_frame

__all__ = ["load_frame"]
