"""All switches of the sandbox crossed with each other, and every verb played against each combination."""
