{{ staged_syncs('notion') }}
