"""Reports of texts: what a language model makes of each one, and where its heads look."""
