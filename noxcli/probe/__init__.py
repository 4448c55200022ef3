"""How a server behaves where its documentation is silent: asked gently, one small question at a time."""
