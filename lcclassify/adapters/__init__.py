"""Adapters: the models inside other people's engines, each a few lines over the core."""
