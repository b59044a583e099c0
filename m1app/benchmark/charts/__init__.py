"""Charts of benchmark runs as Plotly figures: plain dictionaries, the same for the page and for the report."""
