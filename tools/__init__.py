"""What runs, ships and publishes the series. Needs a checkout; no cell imports it."""
