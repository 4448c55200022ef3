"""Coverage-guided fuzzing of what reads bytes that anybody may have written."""
