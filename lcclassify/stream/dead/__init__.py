"""Messages that are at fault: which they are, where they go, and how they come back."""
