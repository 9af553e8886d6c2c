"""The project's own words: ocitool.toml, its schema and values, and which file in a folder says how to build."""
