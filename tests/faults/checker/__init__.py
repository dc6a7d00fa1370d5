"""The checker (`make faults`): breaks real parts under real readers, and counts what is lost, doubled or disordered."""
