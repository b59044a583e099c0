"""Accounts, sessions, the audit log and the trash; annotations keep their traces from being deleted.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DISCARDABLE = ("benchmark_run", "job", "question_set", "sweep", "trace")
_IN_TRASH = sa.text("trash_id IS NOT NULL")
_IS_CONFIRMED_ELSEWHERE = sa.text("subject <> ''")
_NOT_IN_TRASH = sa.text("trash_id IS NULL")
_REFERENCES = [(table, parent) for table in ("annotation", "assessment") for parent in ("trace", "checkpoint")]
_REFUSE_CHANGES = "audit entries cannot be changed"


def upgrade() -> None:
    _create_people()
    _create_audit_log()
    _create_trash()
    _add_trace_columns()
    op.add_column("sweep", _asked_by())
    for table in _DISCARDABLE:
        if table != "trace":
            op.add_column(table, _trash_id())
        op.create_index(f"ix_{table}_trash_id", table, ["trash_id"], sqlite_where=_IN_TRASH, postgresql_where=_IN_TRASH)
    with op.batch_alter_table("question_set") as batch:
        batch.drop_constraint("uq_question_set_name", type_="unique")
    _create_name_index()
    _refer(ondelete=None)


def downgrade() -> None:
    _refer(ondelete="CASCADE")
    op.drop_index("ix_question_set_name", "question_set")
    # What is in the trash comes back; names are unique again.
    op.execute("UPDATE question_set SET name = name || ' (' || id || ')' WHERE trash_id IS NOT NULL")
    with op.batch_alter_table("question_set") as batch:
        batch.create_unique_constraint("uq_question_set_name", ["name"])
    for table in _DISCARDABLE:
        op.drop_index(f"ix_{table}_trash_id", table)
        with op.batch_alter_table(table) as batch:
            batch.drop_column("trash_id")
    for table in ("sweep", "trace"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("asked_by")
    for table in ("deletion", "audit_entry", "login_session", "account"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_changes")


def _add_trace_columns() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("trace", _asked_by())
        op.add_column("trace", _trash_id())
        return
    with op.batch_alter_table("trace", recreate="always") as batch:
        # Before the long columns: they are then found without reading overflow pages.
        batch.add_column(_asked_by(), insert_before="system_prompt")
        batch.add_column(_trash_id(), insert_before="system_prompt")


def _create_people() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.String(length=400), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name_key", name="uq_account_name_key"),
    )
    op.create_index(
        "ix_account_origin_subject",
        "account",
        ["origin", "subject"],
        unique=True,
        sqlite_where=_IS_CONFIRMED_ELSEWHERE,
        postgresql_where=_IS_CONFIRMED_ELSEWHERE,
    )
    op.create_table(
        "login_session",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_login_session_account_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_login_session"),
    )
    op.create_index("ix_login_session_account_id", "login_session", ["account_id"])
    op.create_index("ix_login_session_last_used_at", "login_session", ["last_used_at"])


def _create_audit_log() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_made_at", "audit_entry", ["made_at"])
    op.create_index("ix_audit_entry_person_number", "audit_entry", ["person", "number"])
    op.create_index("ix_audit_entry_subject_number", "audit_entry", ["subject", "number"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_audit_changes() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSE_CHANGES}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_changes()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_entry_no_{action.lower()} BEFORE {action} ON audit_entry "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSE_CHANGES}'); END"
        )
    # INSERT OR REPLACE deletes the old row without the trigger above.
    op.execute(
        "CREATE TRIGGER audit_entry_no_replace BEFORE INSERT ON audit_entry "
        "WHEN EXISTS (SELECT 1 FROM audit_entry WHERE number = NEW.number) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSE_CHANGES}'); END"
    )


def _create_trash() -> None:
    op.create_table(
        "deletion",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.Column("is_being_removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deletion"),
    )
    op.create_index("ix_deletion_deleted_at", "deletion", ["deleted_at"])
    op.create_index("ix_deletion_subject_id", "deletion", ["subject_id"])


def _asked_by() -> sa.Column[str]:
    return sa.Column("asked_by", sa.Text(), nullable=False, server_default="")


def _trash_id() -> sa.Column[str | None]:
    return sa.Column("trash_id", sa.String(length=32), nullable=True)


def _create_name_index() -> None:
    op.create_index(
        "ix_question_set_name",
        "question_set",
        ["name"],
        unique=True,
        sqlite_where=_NOT_IN_TRASH,
        postgresql_where=_NOT_IN_TRASH,
    )


def _refer(ondelete: str | None) -> None:
    """Say what deleting a trace or checkpoint does to its annotations; without `ondelete` it is refused."""
    for table, parent in _REFERENCES:
        name = f"fk_{table}_{parent}_id_{parent}"
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="foreignkey")
            batch.create_foreign_key(name, parent, [f"{parent}_id"], ["id"], ondelete=ondelete)
