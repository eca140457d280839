"""Models from elsewhere: found in a catalogue, fetched, checked, and turned into bundles."""
