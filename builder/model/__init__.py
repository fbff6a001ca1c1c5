"""The frozen types of the pipeline. Read in this order, they are the architecture:

spec -> profile -> plan -> lock -> tree -> image -> contract -> definition -> report
"""
