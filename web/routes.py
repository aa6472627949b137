"""Every address of the server."""

from typing import Any

from starlette.routing import BaseRoute

from web.api import (
    audit,
    comments,
    content,
    documents,
    exports,
    files,
    health,
    history,
    imports,
    invitations,
    jobs,
    jupyter,
    me,
    people,
    retention,
    sharing,
    single_sign_on,
    tokens,
    updates,
    y_sweet,
)
from web.api.updates import UPDATE_MEDIA_TYPE
from web.openapi import Description
from web.routing import Granted, Operation, Public, Resource, Spec, Welcomed
from web.security import Action, Rank
from web.sockets import SOCKETS
from web.static_files import StaticFiles

_NOTHING: dict[int, None] = {204: None}


def routes(static: StaticFiles | None) -> list[BaseRoute]:
    described = Description()
    every: list[BaseRoute] = [
        *SOCKETS,
        *_documents(),
        *_history(),
        *_sharing(),
        *_me(),
        *_people(),
        *_administration(),
        *_y_sweet(static),
        Resource(
            "/api/collaboration/session/{path:path}",
            PUT=Welcomed(
                Rank.KNOWN,
                jupyter.open_session,
                Spec("Jupyter: the document of a file", {200: jupyter.Opened}, jupyter.Opening),
            ),
        ),
        Resource("/api/openapi.json", GET=Public(described.read)),
        Resource("/healthz", GET=Public(health.live)),
        Resource("/readyz", GET=Public(health.ready)),
        Resource("/metrics", GET=Public(health.metrics)),
        *(() if static is None else _web_app(static)),
    ]
    described.describe(every)
    return every


PAGES = ("/", "/d/{document:path}", "/join", "/sign-in", "/account", "/admin", "/admin/{page:path}")
"""Addresses of the web app; which of them shows what is for the app to decide."""


def _web_app(static: StaticFiles) -> list[BaseRoute]:
    return [
        *(Resource(path, GET=Public(static.page)) for path in PAGES),
        Resource("/assets/{path:path}", GET=Public(static.asset)),
        *(Resource(f"/{name}", GET=Public(static.top_level_file)) for name in static.top_level),
    ]


def _documents() -> list[BaseRoute]:
    document = "/api/documents/{document}"
    one = {200: documents.OneDocument}
    return [
        Resource(
            "/api/documents",
            GET=Welcomed(
                Rank.KNOWN,
                documents.list_documents,
                Spec("List documents", {200: documents.DocumentPage}, query=documents.ListQuery),
            ),
            POST=Welcomed(
                Rank.PERSON,
                documents.create_document,
                Spec("Create a document", {201: documents.OneDocument}, documents.NewDocument),
            ),
        ),
        Resource(
            document,
            GET=Granted(Action.READ, documents.read_document, Spec("What is known of a document", one)),
            PATCH=Granted(Action.RENAME, documents.rename_document, Spec("Rename a document", one, documents.Renaming)),
            DELETE=Granted(Action.DELETE, documents.delete_document, Spec("Put a document into the bin", _NOTHING)),
        ),
        Resource(
            f"{document}/star",
            PUT=Granted(Action.READ, documents.star_document, Spec("Star a document", _NOTHING)),
            DELETE=Granted(Action.READ, documents.unstar_document, Spec("Take one's star away", _NOTHING)),
        ),
        Resource(
            f"{document}/restore",
            POST=Granted(
                Action.BRING_BACK,
                history.restore,
                Spec(
                    "Take a document out of the bin or, with a seq, bring a past state back",
                    {200: "application/json"},
                    history.PerhapsRestoring,
                ),
            ),
        ),
        Resource(
            f"{document}/release",
            POST=Granted(Action.RELEASE, documents.release_document, Spec("Take a document out of quarantine", one)),
        ),
        Resource(
            f"{document}/content",
            GET=Granted(
                Action.READ,
                content.read_content,
                Spec("The document as it is now", {200: "*/*"}, query=content.ContentQuery),
            ),
        ),
        *(
            Resource(
                path,
                GET=Granted(
                    Action.READ,
                    exports.export_document,
                    Spec("The document as a file", {200: "*/*"}, query=exports.ExportQuery),
                ),
            )
            for path in (f"{document}/export", f"{document}/history/export")
        ),
        Resource(
            "/api/import",
            POST=Welcomed(
                Rank.PERSON,
                imports.import_document,
                Spec("Make a document of a file", {201: documents.OneDocument}, "*/*", imports.ImportQuery),
            ),
        ),
        Resource(
            f"{document}/files",
            POST=Granted(
                Action.APPEND,
                files.add_file,
                Spec("Upload an image for a document", {201: files.FileReply}, "*/*"),
            ),
        ),
        Resource(
            f"{document}/files/{{file}}",
            GET=Granted(Action.READ, files.read_file, Spec("An image of a document", {200: "*/*"})),
        ),
        Resource(
            f"{document}/comments/people",
            GET=Granted(
                Action.READ,
                comments.list_commenters,
                Spec("Who has commented on a document", {200: comments.Commenters}),
            ),
        ),
        Resource(
            f"{document}/updates",
            GET=Granted(
                Action.READ,
                updates.read_updates,
                Spec("What was committed", {200: updates.UpdatesReply}, query=updates.UpdatesQuery),
            ),
            POST=Granted(
                Action.APPEND,
                updates.append_update,
                Spec("Add one Yjs v1 update", {200: updates.AppendedReply}, UPDATE_MEDIA_TYPE),
            ),
        ),
    ]


def _history() -> list[BaseRoute]:
    base = "/api/documents/{document}/history"
    one, tree = history.VersionReply, {200: "application/json"}

    def read(endpoint: Any, spec: Spec) -> Granted:
        return Granted(Action.READ_HISTORY, endpoint, spec)

    def name(endpoint: Any, spec: Spec) -> Granted:
        return Granted(Action.NAME_VERSION, endpoint, spec)

    return [
        Resource(base, GET=read(history.read_timeline, Spec("The timeline", tree, query=history.TimelinePage))),
        Resource(f"{base}/blame", GET=read(history.read_blame, Spec("Who wrote what", tree, query=history.BlameQuery))),
        Resource(
            f"{base}/diff",
            GET=read(history.read_diff, Spec("What changed between two states", tree, query=history.DiffQuery)),
        ),
        Resource(
            f"{base}/restore",
            POST=Granted(
                Action.BRING_BACK,
                history.bring_back,
                Spec("Bring a past state back", {200: history.BroughtBack}, history.Restoring),
            ),
        ),
        Resource(
            f"{base}/versions",
            GET=Granted(Action.READ, history.list_versions, Spec("The named versions", {200: history.VersionList})),
            POST=name(history.add_version, Spec("Name a state", {201: one}, history.NewVersion)),
        ),
        Resource(
            f"{base}/versions/{{version}}",
            PATCH=name(history.rename_version, Spec("Rename a version", {200: one}, history.RenamedVersion)),
            DELETE=name(history.remove_version, Spec("Take a version's name away", _NOTHING)),
        ),
    ]


def _y_sweet(static: StaticFiles | None) -> list[BaseRoute]:
    """What `@y-sweet/sdk` asks for. Pages of the app begin with `/d/`, too, and come after it."""
    page: dict[str, Operation] = {} if static is None else {"GET": Public(static.page)}
    return [
        Resource(
            "/doc/new",
            POST=Welcomed(
                Rank.PERSON, y_sweet.new, Spec("y-sweet: create a document", {200: y_sweet.Created}, y_sweet.New)
            ),
        ),
        Resource(
            "/doc/{document:path}/auth",
            POST=Welcomed(
                Rank.KNOWN,
                y_sweet.authorize,
                Spec("y-sweet: how a client gets to a document", {200: y_sweet.ClientToken}, y_sweet.Authorizing),
            ),
        ),
        Resource(
            "/d/{document}/as-update",
            GET=Granted(Action.READ, y_sweet.as_update, Spec("y-sweet: the document", {200: UPDATE_MEDIA_TYPE})),
        ),
        Resource(
            "/d/{document}/update",
            **page,
            POST=Granted(
                Action.APPEND,
                updates.append_update,
                Spec("y-sweet: add one Yjs v1 update", {200: updates.AppendedReply}, UPDATE_MEDIA_TYPE),
            ),
        ),
        Resource(
            "/check_store",
            POST=Welcomed(Rank.KNOWN, y_sweet.check_store, Spec("y-sweet: is there a database", {200: y_sweet.Store})),
        ),
        Resource("/ready", GET=Public(y_sweet.ready)),
    ]


def _sharing() -> list[BaseRoute]:
    base = "/api/documents/{document}/sharing"
    everything = {200: sharing.SharingReply}

    def share(endpoint: Any, spec: Spec) -> Granted:
        return Granted(Action.SHARE, endpoint, spec, accounts=True)

    return [
        Resource(base, GET=share(sharing.read_sharing, Spec("Who may do what", everything))),
        Resource(
            f"{base}/general",
            PUT=share(sharing.set_general, Spec("What everybody may do", everything, sharing.GeneralBody)),
        ),
        Resource(
            f"{base}/people/{{person}}",
            PUT=share(sharing.give_role, Spec("Give somebody a role", everything, sharing.RoleBody)),
            DELETE=share(sharing.take_role, Spec("Take somebody's role away", everything)),
        ),
        Resource(
            f"{base}/owner",
            PUT=share(sharing.transfer, Spec("Transfer the document", everything, sharing.OwnerBody)),
        ),
        Resource(
            f"{base}/me",
            DELETE=Granted(Action.LEAVE, sharing.leave, Spec("Give one's own role back", _NOTHING), accounts=True),
        ),
        Resource(
            f"{base}/links",
            POST=share(sharing.create_link, Spec("Make a share link", {201: sharing.MadeLink}, sharing.NewLink)),
        ),
        Resource(
            f"{base}/links/{{link}}",
            DELETE=share(sharing.revoke_link, Spec("Revoke a share link", everything)),
        ),
        Resource(
            "/api/links/open",
            POST=Welcomed(
                Rank.ANYBODY,
                sharing.open_link,
                Spec("Come in by a share link", {200: sharing.OpenedLink}, sharing.LinkOpening),
                accounts=True,
            ),
        ),
    ]


def _me() -> list[BaseRoute]:
    myself = {200: me.Me}

    def own(endpoint: Any, spec: Spec) -> Welcomed:
        return Welcomed(Rank.SIGNED_IN, endpoint, spec, accounts=True)

    def anybody(endpoint: Any, spec: Spec) -> Welcomed:
        return Welcomed(Rank.ANYBODY, endpoint, spec, accounts=True)

    return [
        Resource(
            "/api/me",
            GET=Welcomed(Rank.ANYBODY, me.read_me, Spec("Who is asking", myself)),
            PATCH=own(me.change_me, Spec("Change one's name or e-mail address", myself, me.Profile)),
        ),
        Resource("/api/sign-in", POST=anybody(me.sign_in, Spec("Sign in", myself, me.Credentials))),
        Resource(
            "/api/oidc/start",
            GET=anybody(
                single_sign_on.start,
                Spec("Go to the OpenID provider", {302: None}, query=single_sign_on.StartQuery),
            ),
        ),
        Resource("/api/oidc/callback", GET=anybody(single_sign_on.callback, Spec("Come back from there", {302: None}))),
        Resource(
            "/api/sign-in/token",
            POST=Welcomed(Rank.KNOWN, me.keep_token, Spec("Keep a JSON Web Token in this browser's cookie", myself)),
        ),
        Resource("/api/sign-out", POST=Welcomed(Rank.ANYBODY, me.sign_out, Spec("Sign out", _NOTHING))),
        Resource(
            "/api/me/password", POST=own(me.change_password, Spec("Change the password", myself, me.PasswordChange))
        ),
        Resource(
            "/api/me/sign-ins",
            GET=own(me.list_sign_ins, Spec("Where one is signed in", {200: me.Browsers})),
            DELETE=own(me.end_all_sign_ins, Spec("Sign out everywhere", _NOTHING)),
        ),
        Resource("/api/me/sign-ins/{sign_in}", DELETE=own(me.end_sign_in, Spec("Sign out in one browser", _NOTHING))),
        Resource(
            "/api/me/tokens",
            GET=own(tokens.list_own_tokens, Spec("One's API tokens", {200: tokens.Tokens})),
            POST=own(tokens.create_token, Spec("Make an API token", {201: tokens.MadeToken}, tokens.NewTokenBody)),
        ),
        Resource("/api/me/tokens/{token}", DELETE=own(tokens.revoke_own_token, Spec("Revoke an API token", _NOTHING))),
        Resource(
            "/api/tickets",
            POST=Welcomed(
                Rank.KNOWN,
                tokens.create_ticket,
                Spec("Make a ticket for one WebSocket", {201: tokens.Ticket}, tokens.TicketBody),
            ),
        ),
        Resource(
            "/api/invitations/open",
            POST=anybody(
                invitations.open_invitation,
                Spec("What an invitation is for", {200: invitations.OpenedInvitation}, invitations.Opening),
            ),
        ),
        Resource(
            "/api/invitations/accept",
            POST=anybody(
                invitations.accept_invitation,
                Spec("Use an invitation up", {201: me.Me}, invitations.Acceptance),
            ),
        ),
    ]


def _people() -> list[BaseRoute]:
    return [
        Resource(
            "/api/people",
            GET=Welcomed(
                Rank.PERSON,
                people.search_people,
                Spec("Find people to share with", {200: people.People}, query=people.PeopleQuery),
                accounts=True,
            ),
        )
    ]


def _administration() -> list[BaseRoute]:
    def admin(endpoint: Any, spec: Spec, *, accounts: bool = True) -> Welcomed:
        return Welcomed(Rank.ADMINISTRATOR, endpoint, spec, accounts=accounts)

    return [
        Resource(
            "/api/admin/people",
            GET=admin(
                people.list_people, Spec("List people", {200: people.AdminPeople}, query=people.AdminPeopleQuery)
            ),
        ),
        Resource(
            "/api/admin/people/{person}",
            PATCH=admin(
                people.change_person,
                Spec("Suspend somebody, or make an administrator", {200: people.AdminPerson}, people.PersonChange),
            ),
            DELETE=admin(people.delete_person, Spec("Delete somebody's account", _NOTHING)),
        ),
        Resource(
            "/api/admin/people/{person}/sign-out",
            POST=admin(people.sign_person_out, Spec("Sign somebody out everywhere", _NOTHING)),
        ),
        Resource(
            "/api/admin/people/{person}/password-link",
            POST=admin(people.make_password_link, Spec("A link to set a new password", {201: people.PasswordLink})),
        ),
        Resource(
            "/api/admin/invitations",
            GET=admin(invitations.list_invitations, Spec("Open invitations", {200: invitations.Invitations})),
            POST=admin(
                invitations.invite, Spec("Invite somebody", {201: invitations.Invited}, invitations.NewInvitationBody)
            ),
        ),
        Resource(
            "/api/admin/invitations/{invitation}",
            DELETE=admin(invitations.withdraw, Spec("Withdraw an invitation", _NOTHING)),
        ),
        Resource(
            "/api/admin/tokens",
            GET=admin(tokens.list_all_tokens, Spec("Everybody's API tokens", {200: tokens.Tokens}), accounts=False),
            POST=admin(
                tokens.issue_token,
                Spec("Make an API token for somebody", {201: tokens.MadeToken}, tokens.OperatorTokenBody),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/tokens/{token}",
            DELETE=admin(tokens.revoke_any_token, Spec("Revoke an API token", _NOTHING), accounts=False),
        ),
        Resource(
            "/api/admin/documents/{document}/prune",
            POST=admin(
                retention.prune,
                Spec("Thin a document's history out", {200: retention.PrunedReply}, retention.Pruning),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/documents/{document}/purge",
            POST=admin(
                retention.purge,
                Spec("Delete a document in the bin for good", {200: retention.PurgedReply}, retention.Dry),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/people/{person}/erase",
            POST=admin(
                retention.erase,
                Spec("Erase a person, and keep what they wrote", {200: retention.ErasedReply}, retention.Dry),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/wipe",
            POST=admin(
                retention.wipe,
                Spec("Leave nothing in the database's files that was deleted", _NOTHING),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/exports",
            POST=admin(
                jobs.start_export, Spec("Export many documents", {202: jobs.JobReply}, jobs.NewExport), accounts=False
            ),
        ),
        Resource(
            "/api/admin/imports",
            POST=admin(
                jobs.start_import,
                Spec("Import an archive", {202: jobs.JobReply}, jobs.ZIP, jobs.ImportQuery),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/jobs",
            GET=admin(jobs.list_jobs, Spec("Exports and imports", {200: jobs.JobList}), accounts=False),
        ),
        Resource(
            "/api/admin/jobs/{job}",
            GET=admin(jobs.read_job, Spec("How far an export or import is", {200: jobs.JobReply}), accounts=False),
            DELETE=admin(jobs.remove_job, Spec("Cancel or forget an export or import", _NOTHING), accounts=False),
        ),
        Resource(
            "/api/admin/jobs/{job}/file",
            GET=admin(jobs.download, Spec("What was exported", {200: jobs.ZIP}), accounts=False),
        ),
        Resource(
            "/api/admin/audit",
            GET=admin(
                audit.read_audit,
                Spec("The audit log", {200: audit.Entries}, query=audit.AuditQuery),
                accounts=False,
            ),
            POST=admin(
                audit.note_export,
                Spec("Tell of an export on the command line", _NOTHING, audit.ExportNote),
                accounts=False,
            ),
        ),
        Resource(
            "/api/admin/audit/export",
            GET=admin(
                audit.export_audit,
                Spec("The audit log, one entry a line", {200: audit.NDJSON}, query=audit.ExportQuery),
                accounts=False,
            ),
        ),
    ]
