"""JMESPath: expressions over documents, and what a user may have meant."""
