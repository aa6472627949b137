"""Everything HTTP: the application, its settings, routes, transport, command line and web client."""
