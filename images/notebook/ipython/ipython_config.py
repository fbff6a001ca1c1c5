# A kernel starts with the image's own modules alone (PYTHONSAFEPATH); only then may it import its neighbours.
c.InteractiveShellApp.exec_lines = ["__import__('sys').path.append('')"]  # noqa: F821
