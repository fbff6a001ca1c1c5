"""What a build has settled for good: all of an image but the bytes of its own files.

Whoever works on an application changes its files and builds, again and again. Next to gigabytes of wheels
these are nothing, but composing, hardening, auditing and the SBOM go over every file of the image. So a build
that passed keeps what it came to, by everything that went into it but those bytes; and the next one takes
from there all but the layer that holds them.

That must not make a difference, and three things see to it. What is learnt of a file's content is part of the
key: whether it is a program or a script, what it looks like to a search for secrets, roughly its size. Any
other look at an own file's bytes is noticed (`Watch`), and then its digest must be the same. And the layer
that moved is read back from disk and must hold what the last one did, but for those bytes. Where any of this
fails, the image is built and audited as if nothing were known.
"""
