"""Measuring: label files and scores in, tables and charts out. No text of a row is ever shown."""
