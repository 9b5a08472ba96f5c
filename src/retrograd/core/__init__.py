"""The ground floor: arrays, the graph, tensors, the door that runs a row, and the table of rows."""
