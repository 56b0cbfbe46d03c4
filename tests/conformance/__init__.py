"""The suite that runs against any subject.

"The page" is the specification here: the documentation of `mindspore.experimental.optim.Adamax`.
"""
