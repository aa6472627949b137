"""The load generator: thousands of WebSocket clients in one thread, cheap enough never to be what is measured."""
