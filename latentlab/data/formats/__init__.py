"""Readers of file formats. They trust no file: they return arrays or raise a DataError."""
