"""What runs, ships and publishes the series. Needs a checkout; nothing here is imported by a cell."""
