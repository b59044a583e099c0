"""One question: its text, the prompt, the letter in an answer, and the verdict."""
