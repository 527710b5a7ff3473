"""Derivations as pages: MyST for the site, LaTeX for print, JSON for programs. What is not proved is not printed."""
