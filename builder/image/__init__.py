"""Images at rest and in an engine: layers, the OCI layout written and read back, the Docker engine."""
