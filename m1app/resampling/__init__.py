"""How much a sentence of a thinking mattered, by letting the model go on from before it and from after it."""
