"""Annotations: labels, marks on texts, review, agreement, import and export."""
