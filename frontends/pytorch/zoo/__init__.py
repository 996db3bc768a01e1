"""Networks for small devices as PyTorch modules."""
