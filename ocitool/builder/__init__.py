"""Sources to images: toolchains, the spec file, build files, the pipeline."""
