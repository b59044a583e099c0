"""Resamplings: stored with the strategy runs that they are, and read."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import not_found
from storage.resamplings.records import NewResampling, Resampling
from storage.resamplings.tables import ResamplingRow
from storage.strategies.tables import StrategyRunRow

_FIELDS = [column.name for column in fields(Resampling)]
_NEW_FIELDS = [column.name for column in fields(NewResampling)]


class ResamplingRepository:
    """Resamplings in the session's database. Those of runs in the trash are not seen."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, run_id: str, new: NewResampling) -> None:
        """Store what a run resamples."""
        self._session.add(ResamplingRow(run_id=run_id, **{name: getattr(new, name) for name in _NEW_FIELDS}))
        self._session.flush()

    def get(self, run_id: str) -> Resampling:
        """Return a resampling; raises RecordNotFound."""
        query = select(ResamplingRow).join(ResamplingRow.run).where(ResamplingRow.run_id == run_id)
        row = self._session.scalar(query) if run_id.isalnum() else None
        if row is None:
            raise not_found("resampling", run_id)
        return _as_resampling(row)

    def of_case(self, case_id: str, limit: int = 50) -> Sequence[Resampling]:
        """Those of a trace's own answer, or of an answer of a sweep, newest first."""
        row = ResamplingRow
        of_trace = (row.trace_id == case_id) & row.checkpoint_id.is_(None)
        query = select(row).join(row.run).where((row.checkpoint_id == case_id) | of_trace)
        newest = query.order_by(StrategyRunRow.created_at.desc(), StrategyRunRow.id.desc()).limit(limit)
        return tuple(_as_resampling(each) for each in self._session.scalars(newest))


def _as_resampling(row: ResamplingRow) -> Resampling:
    return Resampling(**{name: getattr(row, name) for name in _FIELDS})
