"""The sink for machines without a C compiler."""
