"""Adapters: the classifier inside of what others run on many machines."""
