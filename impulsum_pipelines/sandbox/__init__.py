"""A local stand-in of the services, over real HTTP: the demo, the test double and the benchmark's target."""
