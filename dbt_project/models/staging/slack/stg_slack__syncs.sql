{{ staged_syncs('slack') }}
