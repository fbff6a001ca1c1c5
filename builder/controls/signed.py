"""Who takes the image from a registry can tell whose it is."""

from collections.abc import Iterable

from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.references import cis, srg
from builder.model.image import Image
from builder.model.report import Finding, Severity


class SignedImage(Control[NoParameters]):
    key = "signed-image"
    title = "Wherever the image was published from here, it was signed"
    why = (
        "A registry gives out whatever lies under a tag. Only a signature tells the image that was checked "
        "from one that somebody else pushed there."
    )
    remedy = (
        "publish it again with `temper publish --key`; that a signature is still there, and good, "
        "`temper verify-signature` proves"
    )
    foreign_remedy = "verify it with the key of whoever publishes it: `temper verify-signature`"
    severity = Severity.MEDIUM
    references = (cis("4.5"), cis("4.12"), srg("SRG-APP-000131-CTR-000285"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        published = context.beside.published
        if published is None:
            raise NotAssessed("nobody has published this image from here; `temper publish --key` signs it")
        if published.digest != image.digest:
            raise NotAssessed("another image was published from here; `temper publish --key` signs this one")
        for name, signed in published.references:
            if not signed:
                yield Finding(message=f"was published as {name} without a signature")
