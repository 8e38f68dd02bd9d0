"""Template tags of the project: how forms are drawn."""
