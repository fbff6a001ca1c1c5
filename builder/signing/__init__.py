"""Signatures of images and of statements about them, as cosign makes and reads them."""
