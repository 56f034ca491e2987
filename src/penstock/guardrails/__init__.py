"""What is looked for in what goes to models and tools and comes back: detectors, redaction, and the policies that use them."""
