"""Many runs from the rows of a file, each started exactly once."""
