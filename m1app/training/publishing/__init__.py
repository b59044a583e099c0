"""Fine-tuned models for use elsewhere: quantized files, cards in the hub's form, and the hub, on request only."""
