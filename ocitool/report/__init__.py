"""What is known about an image, gathered once and drawn as text, JSON or a page."""
