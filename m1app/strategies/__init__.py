"""Ways to spend a token budget on a question: what they are, what runs them, and which to choose.

`protocol` is what a strategy asks for and is told, `catalogue` names them all. `methods` has the strategies, `drivers`
what runs them, `evaluating` what is read from stored passes, `choosing` which strategy for which question.
"""
