"""An evaluation's figures and pages."""
