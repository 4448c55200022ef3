"""What takes long, and looks for what nobody has thought of: run by .ci/run, not by every test run."""
