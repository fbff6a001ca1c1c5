"""Speaks to container registries: OCI distribution-spec 1.1, as registries and engines live it."""
