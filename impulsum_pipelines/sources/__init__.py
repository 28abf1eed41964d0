"""The sources: pure dlt, one folder each. Nothing here imports Dagster; a lint rule checks it.

Every source has the same files: ``tables`` (what its raw file has), ``source`` (``open_client``, ``begin``,
``build_source``), ``client`` (one method per endpoint), ``site`` (what is true of the whole site during one sync),
``walk`` (reads what a sync needs, page by page), ``rows`` (documents to rows), ``refusals`` (the vendor's refusals as
errors) and ``probe`` (tries the connection). A further file says in its first line why it is apart.
"""
