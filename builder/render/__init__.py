"""What Temper writes by template: account files, the Dockerfile, the run contract. Pure."""
