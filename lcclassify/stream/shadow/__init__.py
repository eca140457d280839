"""A second model that answers the same messages, in a process of its own."""
