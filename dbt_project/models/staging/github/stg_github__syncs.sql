{{ staged_syncs('github') }}
