"""The series as a site: pages made of the notebooks and the documents, and of nothing else."""
