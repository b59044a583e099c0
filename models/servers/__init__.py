"""Server processes that the app starts and watches: llama.cpp and vLLM."""
