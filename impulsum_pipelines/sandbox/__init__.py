"""A local stand-in of the six sources, over real HTTP: for the demo, the tests and the benchmarks."""
