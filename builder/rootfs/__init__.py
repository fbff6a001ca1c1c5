"""The virtual file tree: reading archives, composing packages, checking what the loader will need."""
