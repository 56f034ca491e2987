"""The suite as a program: what it started ends with it, what it left is named, and what failed is written down."""
