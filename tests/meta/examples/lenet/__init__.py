"""LeNet-5 on real digits, trained by PyTorch and MindSpore, and compared."""
