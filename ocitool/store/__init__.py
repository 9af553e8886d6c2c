"""Where content lives: memory, layouts, archives and registries behind one protocol."""
