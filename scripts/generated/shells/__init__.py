"""One completion script per shell, each from the same vocabulary: a template and the lines that fill it."""
