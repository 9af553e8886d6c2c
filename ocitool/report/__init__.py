"""An image's facts, gathered once and drawn as text, JSON or a page."""
