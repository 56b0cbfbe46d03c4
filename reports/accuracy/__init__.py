"""The largest known errors of an optimizer, with the inputs that show them."""
