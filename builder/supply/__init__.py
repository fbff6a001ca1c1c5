"""What an image consists of, as one graph, and the SBOM formats that are written from it."""
