"""What is documented: the formula, the rules, the hyperparameters, the contract and the case.

Nothing here computes fast, and nothing here imports another room.
"""
