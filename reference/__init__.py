"""The documented Adamax: formula, rules, hyperparameters, contract and case.

Nothing here computes fast, and nothing here imports another room.
"""
