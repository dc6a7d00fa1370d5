"""Measuring: a crowd of readers in one process, and what a server spends on it."""
