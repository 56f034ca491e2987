"""Where code that nobody vouches for runs.

Two runtimes take a `Job` and give back its result as JSON, or raise one of the errors of `job.failure`. `monty` is an
interpreter of a subset of Python that has no door to the outside at all. `cpython` is the real one in a process of its
own, behind bubblewrap or behind Landlock (`walls`), always under seccomp and resource limits (`inside`). If a host has
neither, the code does not run.
"""
