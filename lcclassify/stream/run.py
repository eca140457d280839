"""run_stream: open everything that settings name, check it, and go."""
