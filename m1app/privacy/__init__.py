"""Patient data: what may identify a person, what is kept for how long, and erasing it."""
