"""Use cases: what the page and the command line both do. No Gradio, no SQL, no HTTP."""
