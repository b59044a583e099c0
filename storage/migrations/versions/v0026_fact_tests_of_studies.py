"""Fact tests know the study that made them.

Revision 0026, after 0025.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fact_test", sa.Column("study_id", sa.String(32), nullable=True))
    op.create_index("ix_fact_test_study_id", "fact_test", ["study_id"])


def downgrade() -> None:
    # Earlier versions would count them as people's.
    of_studies = op.get_bind().execute(sa.text("SELECT run_id FROM fact_test WHERE study_id IS NOT NULL"))
    tables = (("fact_test", "run_id"), ("strategy_request", "run_id"), ("strategy_result", "run_id"))
    for run_id in [row.run_id for row in of_studies]:
        for table, column in (*tables, ("strategy_run", "id")):
            op.get_bind().execute(sa.text(f"DELETE FROM {table} WHERE {column} = :run_id"), {"run_id": run_id})
    op.drop_index("ix_fact_test_study_id", "fact_test")
    op.drop_column("fact_test", "study_id")
