"""REST handlers, one module for each resource. Each gets the door's `Visitor` or `Grant`; none decides who may."""
