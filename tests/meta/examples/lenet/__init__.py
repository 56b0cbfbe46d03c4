"""LeNet-5 on real digits, trained by PyTorch and by MindSpore from the same start, recorded, and compared."""
