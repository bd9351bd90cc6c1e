"""Results of a fit for other tools: saved files, inference data, summaries."""
