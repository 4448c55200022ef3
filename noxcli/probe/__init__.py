"""How a server behaves where its documentation is silent: asked carefully, one small question at a time."""
