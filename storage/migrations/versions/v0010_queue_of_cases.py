"""An assessment knows whether its annotator has seen others' marks; then its submission stays.

Revision 0010, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None

_SEEN = """
    UPDATE assessment SET has_seen_others = true WHERE is_submitted AND EXISTS (
        SELECT 1 FROM assessment other
        WHERE other.case_id = assessment.case_id AND other.annotator <> assessment.annotator AND other.is_submitted
    )
"""


def upgrade() -> None:
    op.add_column("assessment", sa.Column("has_seen_others", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Whoever has submitted a case that others have submitted too may have looked at it since.
    op.execute(_SEEN)


def downgrade() -> None:
    with op.batch_alter_table("assessment") as batch:
        batch.drop_column("has_seen_others")
