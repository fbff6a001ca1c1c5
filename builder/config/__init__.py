"""What people write, as types: YAML read strictly, every problem told at once with file and line."""
