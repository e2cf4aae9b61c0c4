"""COPY from S3: the source, the readers of its formats, the judges of its values."""
