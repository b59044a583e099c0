"""The pages: Gradio lives here and nowhere else."""
