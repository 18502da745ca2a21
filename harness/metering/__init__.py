"""What work costs: clocks, memory, operations, and the meter that a method cannot forget."""
