"""Run records in, tables out; and the tables that the paper reports."""
