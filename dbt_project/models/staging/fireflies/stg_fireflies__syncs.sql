{{ staged_syncs('fireflies') }}
