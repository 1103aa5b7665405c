"""What made the data of the series: the small GPT-2 and the benchmark. Needs a checkout."""
