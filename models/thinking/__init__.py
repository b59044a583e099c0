"""One thinking pass: the prompt, the budget, forced rounds, and every cell of a grid. No I/O."""
