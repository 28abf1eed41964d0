{{ staged_syncs('tempo') }}
