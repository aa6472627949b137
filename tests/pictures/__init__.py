"""Pictures of every page and every dialog of the web app (`make pictures`)."""
