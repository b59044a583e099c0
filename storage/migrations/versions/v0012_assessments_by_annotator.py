"""What one annotator has submitted is found without reading everybody's assessments.

Revision 0012, after 0011.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEX = "ix_assessment_annotator_is_submitted_case_id"
_INDEXED = ("annotator", "is_submitted", "case_id")


def upgrade() -> None:
    op.create_index(_INDEX, "assessment", list(_INDEXED))


def downgrade() -> None:
    op.drop_index(_INDEX, "assessment")
