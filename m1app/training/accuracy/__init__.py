"""Accuracy during training: questions that the base model and every checkpoint are asked beside the training."""
