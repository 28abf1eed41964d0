{{ staged_census('slack') }}
