{{ staged_census('notion') }}
