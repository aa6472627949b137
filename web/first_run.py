"""The link by which somebody becomes the first administrator. Printed at each start until there is one."""

from storage.accounts import NewInvitation
from storage.engine import Database
from web.api.invitations import end_of_invitation
from web.minting import Kind, Mint
from web.settings import Settings


async def first_run_link(settings: Settings, database: Database, url: str) -> str | None:
    """None: there is an administrator, or nobody needs one. Links of earlier starts end."""
    if settings.auth != "accounts":
        return None
    secret, digest = Mint(await database.credentials.key()).make(Kind.INVITATION)
    end = end_of_invitation(settings, database.now_ms())
    if not await database.accounts.first_run(NewInvitation(digest, end, administrator=True)):
        return None
    return f"{settings.public_url or url}/join#{secret}"
