"""The distribution protocol over HTTP."""
