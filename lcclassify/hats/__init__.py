"""HATS: catalogues of the sky in Parquet files, a leaf of its HEALPix tree each."""
