"""The training IR: graphs of typed tensors, the records that define ops, and what every stage shares."""
