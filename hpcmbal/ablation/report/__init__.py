"""What a study leaves behind: tables, figures, report."""
